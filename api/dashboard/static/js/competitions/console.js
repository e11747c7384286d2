// The organiser's page: the competitions, a form for a new one, and all controls of a competition.

import { byId, element, setClass, write } from "../elements.js";
import { clock, price, quantity, rate, signed } from "../format.js";
import { get, path, post, remove, repeatedly, send } from "../rest.js";
import { key } from "../session.js";
import { copyButtons } from "./copy.js";
import { leftMs, minutes } from "./clock.js";

let chosen = decodeURIComponent(location.hash.slice(1)) || null;
let competition = null;
let cases = [];

// -- signing in --------------------------------------------------------------------------------------------------

async function signIn() {
  if (!key.value) return;
  try {
    const identity = await get("/whoami");
    if (identity.role !== "admin") throw new Error("this is the key of a client; sign in with the admin's key");
    write(byId("who"), "signed in");
    setClass(byId("key-form"), "hidden", true);
    setClass(byId("desk"), "hidden", false);
    await loadCases();
    repeatedly(1_000, refresh);
    setInterval(tick, 200);
  } catch (problem) {
    key.value = null;
    write(byId("who"), problem.message);
  }
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.value = byId("key").value.trim() || null;
  byId("key").value = "";
  signIn();
});

// -- a new competition --------------------------------------------------------------------------------------------

async function loadCases() {
  ({ data: cases } = await get("/cases"));
  byId("shipped").replaceChildren(...cases.map((one) => element("option", { value: one.name }, one.case.name)));
  fillCase();
}

function fillCase() {
  const found = cases.find((one) => one.name === byId("shipped").value);
  if (found) byId("case").value = JSON.stringify(found.case, null, 2);
}

async function create() {
  const faults = byId("case-faults");
  faults.replaceChildren();
  try {
    const { competition_id: made } = await post("/competitions", JSON.parse(byId("case").value));
    choose(made);
  } catch (problem) {
    const listed = problem.errors?.length ? problem.errors.map((one) => `${one.pointer}: ${one.detail}`) : [problem.message];
    faults.replaceChildren(...listed.map((text) => element("li", {}, text)));
  }
}

byId("shipped").addEventListener("change", fillCase);
byId("create").addEventListener("click", create);

// -- display --------------------------------------------------------------------------------------------------------

function choose(id) {
  chosen = id;
  history.replaceState(null, "", `#${id}`);
  byId("links").value = "";
  setClass(byId("new-key"), "hidden", true);
  refresh();
}

async function refresh() {
  try {
    const { data } = await get("/competitions");
    showList(data);
    competition = data.find((one) => one.competition_id === chosen) ?? null;
    setClass(byId("chosen"), "hidden", !competition);
    if (competition) {
      showChosen();
      showTeams((await get(path`/competitions/${chosen}/teams`)).data);
    }
  } catch (problem) {
    write(byId("fault"), problem.message);
  }
}

function showList(data) {
  byId("competitions").replaceChildren(
    ...data.map((one) => {
      const open = element("button", { type: "button", className: "link" }, one.name);
      open.addEventListener("click", () => choose(one.competition_id));
      return element(
        "tr",
        { className: one.competition_id === chosen ? "own" : "" },
        element("td", {}, open),
        element("td", {}, one.state),
        element("td", {}, `${one.round}/${one.rounds}`),
        element("td", {}, String(one.teams)),
      );
    }),
  );
}

function showChosen() {
  const { state, phase, round, rounds, teams } = competition;
  write(byId("chosen-name"), competition.name);
  write(byId("chosen-state"), state === "running" ? (phase ?? "preparing").replace("_", " ") : state);
  byId("chosen-state").dataset.state = phase ?? state;
  write(byId("chosen-round"), round ? `round ${round} of ${rounds}, ${teams} team${teams === 1 ? "" : "s"}` : `${teams} of ${competition.max_teams} teams`);
  const over = state === "finished" || state === "stopped";
  byId("start").disabled = state !== "registration";
  byId("invite").disabled = state !== "registration";
  byId("pause").disabled = phase !== "trading";
  byId("resume").disabled = phase !== "paused";
  byId("extend").disabled = phase !== "trading" && phase !== "paused";
  byId("stop").disabled = over;
  byId("projector").href = path`/projector/${chosen}`;
  byId("report").href = path`/competitions/${chosen}/report`;
  setClass(byId("report"), "hidden", !over);
  showSecurities();
}

function showSecurities() {
  const wanted = ["", ...competition.securities.map((one) => one.security_id)];
  const place = byId("news-security");
  if ([...place.options].map((one) => one.value).join() === wanted.join()) return;
  place.replaceChildren(...wanted.map((id) => element("option", { value: id }, id || "no particular security")));
}

function tick() {
  if (competition) write(byId("chosen-left"), competition.phase === "paused" ? "" : minutes(leftMs(competition.ends_at)));
}

// -- teams --------------------------------------------------------------------------------------------------------

const rows = new Map();

function showTeams(teams) {
  byId("teams").replaceChildren(...teams.map((team) => writeRow(rowOf(team), team)));
}

function rowOf(team) {
  if (!rows.has(team.client_id)) {
    const stop = element("button", { type: "button" });
    const replace = element("button", { type: "button" }, "New key");
    const cells = ["team", "number", "number", "", "number", "number", "number", "", ""].map((name) => element("td", { className: name }));
    const row = { node: element("tr", {}, ...cells, element("td", { className: "buttons" }, stop, replace)), cells, stop, team };
    stop.addEventListener("click", () => attempt(() => send("PATCH", path`/accounts/${team.client_id}`, { state: row.team.state === "stopped" ? "open" : "stopped" })));
    replace.addEventListener("click", () => attempt(() => replaceKey(team)));
    setClass(replace, "hidden", team.is_house);
    rows.set(team.client_id, row);
  }
  return rows.get(team.client_id);
}

function writeRow(row, team) {
  row.team = team;
  const shares = Object.entries(team.shares).map(([id, count]) => `${quantity(count)} ${id}`);
  const texts = [
    team.is_house ? `${team.team} (house)` : team.team,
    signed(team.live_gain),
    price(team.balance),
    shares.join(", "),
    rate(team.orders_per_s),
    quantity(team.open_orders),
    quantity(team.refused),
    clock(team.last_order_at),
    team.state,
  ];
  texts.forEach((text, index) => write(row.cells[index], text));
  setClass(row.node, "house", team.is_house);
  write(row.stop, team.state === "stopped" ? "Allow trading" : "Stop");
  row.stop.disabled = team.state === "closed";
  return row.node;
}

// The old keys are revoked once the new one exists, so the team is never without a key.
async function replaceKey(team) {
  const keys = path`/accounts/${team.client_id}/keys`;
  const { data: before } = await get(keys);
  const made = await post(keys, { name: "replaced" });
  for (const one of before.filter((one) => one.revoked_at === null)) await remove(`${keys}/${one.key_id}`);
  write(byId("new-key"), `The new key of ${team.team}, shown only once: ${made.api_key}`);
  setClass(byId("new-key"), "hidden", false);
}

// -- controls -----------------------------------------------------------------------------------------------------

async function attempt(request) {
  write(byId("fault"), "");
  try {
    await request();
  } catch (problem) {
    write(byId("fault"), problem.message);
  }
  refresh();
}

for (const what of ["start", "pause", "resume"]) {
  byId(what).addEventListener("click", () => attempt(() => post(path`/competitions/${chosen}/${what}`)));
}
byId("extend").addEventListener("click", () => attempt(() => post(path`/competitions/${chosen}/extend`, { seconds: 60 })));
byId("stop").addEventListener("click", () => {
  if (confirm("Stop this competition for good?")) attempt(() => post(path`/competitions/${chosen}/stop`));
});
byId("invite").addEventListener("click", () =>
  attempt(async () => {
    const { invites } = await post(path`/competitions/${chosen}/invites`, { count: Number(byId("count").value) });
    byId("links").value = invites.join("\n");
  }),
);
byId("news-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await post("/news", { headline: byId("headline").value, security_id: byId("news-security").value || null });
    byId("headline").value = "";
  });
});

copyButtons();
signIn();
