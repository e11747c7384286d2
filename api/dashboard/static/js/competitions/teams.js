// The teams and house bots of a competition: what each does, and the organiser's hold on it.

import { byId, element, setClass, write, writeGain } from "../elements.js";
import { age, NOTHING, price, quantity, rate, signed } from "../format.js";
import { path, post, send } from "../rest.js";
import { sinceMs } from "./clock.js";
import { attempt } from "./notice.js";

const COLUMNS = ["team", "number gain", "number cash", "shares", "number rate", "number open", "number refused", "number last", "state"];
const [TEAM, GAIN, REFUSED, STATE] = [0, 1, 6, 8];
const rows = new Map();
let shown = [];
let competitionId = null;
let refresh = () => {};

export function teamControls(whenChanged) {
  refresh = whenChanged;
  byId("find").addEventListener("input", find);
}

export function showTeams(teams, competition) {
  competitionId = competition.competition_id;
  // The teams first: house bots need no attention.
  const sorted = [...teams.filter((team) => !team.is_house), ...teams.filter((team) => team.is_house)];
  shown = sorted.map((team) => writeRow(rowOf(team), team));
  const place = byId("teams");
  const nodes = shown.map((row) => row.node);
  // Only a change of the teams touches the table, so that a finger or the focus stays on its button.
  if (nodes.length !== place.children.length || nodes.some((node, index) => node !== place.children[index])) place.replaceChildren(...nodes);
  setClass(byId("teams-table"), "hidden", teams.length === 0);
  setClass(byId("find"), "hidden", teams.length === 0);
  find();
}

function find() {
  const wanted = byId("find").value.trim().toLowerCase();
  for (const { node, team } of shown) setClass(node, "hidden", !`${team.team} ${team.client_id}`.toLowerCase().includes(wanted));
  const found = shown.some(({ node }) => !node.classList.contains("hidden"));
  setClass(byId("no-teams"), "hidden", found);
  write(byId("no-teams"), shown.length === 0 ? "No team has joined yet." : `No team is called “${byId("find").value.trim()}”.`);
}

function rowOf(team) {
  if (!rows.has(team.client_id)) rows.set(team.client_id, newRow(team));
  return rows.get(team.client_id);
}

function newRow(team) {
  const labels = [...byId("teams-table").querySelectorAll("th")].map((head) => head.textContent);
  const cells = COLUMNS.map((className, index) => element("td", { className, data: { label: labels[index] } }));
  const stop = element("button", { type: "button" });
  const replace = element("button", { type: "button", ariaLabel: `New key for ${team.team}` }, "New key");
  const actions = element("td", { className: "actions" }, stop);
  if (!team.is_house) actions.append(replace);
  const row = { node: element("tr", { className: team.is_house ? "house" : "" }, ...cells, actions), cells, stop, team };
  stop.addEventListener("click", () => stopOrAllow(row.team));
  replace.addEventListener("click", () => replaceKey(row.team));
  return row;
}

function writeRow(row, team) {
  row.team = team;
  const holdings = Object.entries(team.shares).map(([id, count]) => `${quantity(count)}\u00a0${id}`);
  const texts = [
    team.team,
    "",
    price(team.balance),
    holdings.join(", "),
    rate(team.orders_per_s),
    quantity(team.open_orders),
    quantity(team.refused),
    team.last_order_at === null ? NOTHING : `${age(sinceMs(team.last_order_at))} ago`,
    team.state,
  ];
  texts.forEach((text, index) => index !== GAIN && write(row.cells[index], text));
  writeGain(row.cells[GAIN], signed(team.live_gain));
  row.cells[TEAM].title = team.client_id;
  setClass(row.cells[REFUSED], "alarm", team.refused > 0);
  setClass(row.cells[STATE], "alarm", team.state !== "open");
  const verb = team.state === "stopped" ? "Allow trading" : "Stop";
  write(row.stop, verb);
  row.stop.ariaLabel = `${verb}: ${team.team}`;
  row.stop.disabled = team.state === "closed";
  return row;
}

async function stopOrAllow(team) {
  const state = team.state === "stopped" ? "open" : "stopped";
  const said = state === "stopped" ? `${team.team} is stopped: its open orders are cancelled, and new ones denied.` : `${team.team} may trade again.`;
  await attempt(() => send("PATCH", path`/accounts/${team.client_id}`, { state }), said);
  refresh();
}

async function replaceKey(team) {
  if (!confirm(`Replace the key of ${team.team}? Programs with the old key stop working.`)) return;
  await attempt(async () => {
    const { api_key: made } = await post(path`/competitions/${competitionId}/teams/${team.client_id}/key`);
    write(byId("key-title"), `The new key of ${team.team}`);
    byId("new-key").value = made;
    byId("key-dialog").showModal();
  });
}

byId("key-dialog").addEventListener("close", () => (byId("new-key").value = ""));
