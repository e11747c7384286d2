// The organiser's page: the competitions, and all controls of one of them.

import { byId, element, setClass, write } from "../elements.js";
import { get, path, post, repeatedly } from "../rest.js";
import { key } from "../session.js";
import { leftMs, minutes } from "./clock.js";
import { copyButtons } from "./copy.js";
import { loadCases, newCase } from "./new_case.js";
import { attempt, notice } from "./notice.js";
import { showTeams, teamControls } from "./teams.js";

let chosen = location.hash.slice(1) || null;
let competition = null;
let isSignedIn = false;
let isFirstLook = true;

// -- signing in --------------------------------------------------------------------------------------------------

async function signIn() {
  if (!key.value) return;
  try {
    const identity = await get("/whoami");
    // It stays the key of the tab: the market page uses it.
    if (identity.role !== "admin") return show(false, "This tab has the key of a team or client. Sign in with the admin's key.");
    await loadCases();
    show(true, "signed in");
    refresh();
  } catch (problem) {
    signOut(problem.status === 401 ? "This key is not valid." : problem.message);
  }
}

function signOut(why) {
  key.value = null;
  show(false, why);
}

function show(signedIn, who) {
  isSignedIn = signedIn;
  write(byId("who"), who);
  for (const id of ["desk", "sign-out"]) setClass(byId(id), "hidden", !signedIn);
  setClass(byId("key-form"), "hidden", signedIn);
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.value = byId("key").value.trim() || null;
  byId("key").value = "";
  signIn();
});
byId("sign-out").addEventListener("click", () => signOut(""));

// -- display --------------------------------------------------------------------------------------------------------

function choose(id) {
  chosen = id;
  history.replaceState(null, "", `#${id}`);
  showLinks([]);
  byId("find").value = "";
  notice("");
  refresh();
}

async function refresh() {
  if (!isSignedIn) return;
  try {
    const { data } = await get("/competitions");
    showList(data);
    competition = data.find((one) => one.competition_id === chosen) ?? null;
    setClass(byId("chosen"), "hidden", !competition);
    if (competition) {
      showChosen();
      showTeams((await get(path`/competitions/${chosen}/teams`)).data, competition);
    }
    write(byId("who"), "signed in");
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) signOut("This key is no longer valid. Sign in again.");
    else write(byId("who"), `${problem.message}; the page shows the last answer`);
  }
}

function showList(data) {
  setClass(byId("none"), "hidden", data.length > 0);
  if (isFirstLook) byId("new").open = data.length === 0;
  isFirstLook = false;
  const items = data.map((one) => [one.competition_id, one.name, `${words(one)}, ${counted(one.teams, "team")}`]);
  const place = byId("competitions");
  const shown = JSON.stringify([chosen, items]);
  if (place.dataset.shown === shown) return;
  place.dataset.shown = shown;
  place.replaceChildren(...items.map(([id, name, said]) => item(id, name, said)));
}

function item(id, name, said) {
  const open = element("button", { type: "button" }, element("b", {}, name), element("span", {}, said));
  open.setAttribute("aria-current", String(id === chosen));
  open.addEventListener("click", () => {
    choose(id);
    scrollTo({ top: 0 });
  });
  return element("li", {}, open);
}

function words({ state, phase, round, rounds }) {
  const now = state === "running" ? (phase ?? "preparing").replace("_", " ") : state;
  return round ? `${now}, round ${round} of ${rounds}` : now;
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function showChosen() {
  const { state, phase, round, rounds, teams, max_teams: most } = competition;
  write(byId("chosen-name"), competition.name);
  write(byId("chosen-state"), state === "running" ? (phase ?? "preparing").replace("_", " ") : state);
  byId("chosen-state").dataset.state = phase ?? state;
  write(byId("chosen-round"), round ? `round ${round} of ${rounds}, ${counted(teams, "team")}` : `${teams} of ${counted(most, "team")}`);
  const over = state === "finished" || state === "stopped";
  byId("start").disabled = state !== "registration";
  setClass(byId("start"), "hidden", state !== "registration");
  byId("invite").disabled = state !== "registration";
  setClass(byId("inviting"), "hidden", state !== "registration" && !byId("links").value);
  byId("pause").disabled = phase !== "trading";
  byId("resume").disabled = phase !== "paused";
  setClass(byId("pause"), "hidden", phase === "paused");
  setClass(byId("resume"), "hidden", phase !== "paused");
  byId("extend").disabled = phase !== "trading" && phase !== "paused";
  byId("stop").disabled = over;
  byId("projector").href = path`/projector/${chosen}`;
  byId("report").href = path`/competitions/${chosen}/report`;
  setClass(byId("report"), "hidden", !over);
  write(byId("next"), nextStep());
  showSecurities();
}

// What the organiser does next, while that is not obvious.
function nextStep() {
  const { state, phase, teams } = competition;
  if (state === "registration" && teams === 0) return "Create a link for each team and hand them out; start when the teams have joined.";
  if (state === "registration") return "Start when the teams have joined; no team can join later.";
  if (phase === "paused") return "Trading is halted. The end of the round moves by the length of the pause.";
  if (state === "finished" || state === "stopped") return "The report has the standings, the replays and all data.";
  return "";
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

function showLinks(links) {
  byId("links").value = links.join("\n");
  setClass(byId("new-links"), "hidden", links.length === 0);
}

// -- controls -----------------------------------------------------------------------------------------------------

function control(id, said, request) {
  byId(id).addEventListener("click", () => attempt(request, said).then(refresh));
}

byId("start").addEventListener("click", () => {
  if (confirm(`Start “${competition.name}” with ${counted(competition.teams, "team")}? No team can join later.`)) {
    attempt(() => post(path`/competitions/${chosen}/start`), "The first round is being prepared.").then(refresh);
  }
});
control("pause", "Trading is halted.", () => post(path`/competitions/${chosen}/pause`));
control("resume", "Trading continues.", () => post(path`/competitions/${chosen}/resume`));
control("extend", "The round ends one minute later.", () => post(path`/competitions/${chosen}/extend`, { seconds: 60 }));
byId("stop").addEventListener("click", () => {
  if (confirm(`Stop “${competition.name}” for good? Open orders are cancelled, and it cannot be started again.`)) {
    attempt(() => post(path`/competitions/${chosen}/stop`), "The competition is stopped.").then(refresh);
  }
});
control("invite", "Give one link to each team. They are shown only here.", async () => {
  const { invites } = await post(path`/competitions/${chosen}/invites`, { count: Number(byId("count").value) });
  showLinks(invites);
});
byId("news-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await post("/news", { headline: byId("headline").value, security_id: byId("news-security").value || null });
    byId("headline").value = "";
  }, "The news is published.");
});

byId("to-list").addEventListener("click", () => byId("list-title").scrollIntoView());

teamControls(refresh);
newCase(choose);
copyButtons();
signIn();
repeatedly(1_000, refresh);
setInterval(tick, 200);
