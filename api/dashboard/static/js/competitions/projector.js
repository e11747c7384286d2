// The page for the wall: time left, prices, moving standings, and news. It needs no key.

import { byId, element, setClass, write } from "../elements.js";
import { clock, price, signed, words } from "../format.js";
import { get, path, repeatedly } from "../rest.js";
import { leftMs, minutes } from "./clock.js";

const id = decodeURIComponent(location.pathname.split("/").pop());
const STATES = { registration: "Teams are joining", break: "Break", finished: "Finished", stopped: "Stopped" };
const MOST_TEAMS = 20;
const MOST_NEWS = 5;
let competition = null;
let heardAt = performance.now();

const PHASES = { auction: "Opening auction", trading: "Trading", closing_auction: "Closing auction", settlement: "Settlement", paused: "Paused" };

function showState() {
  write(byId("name"), competition.name);
  document.title = competition.name;
  const running = competition.state === "running";
  write(byId("state"), running ? (PHASES[competition.phase] ?? "Preparing the round") : STATES[competition.state]);
  document.body.dataset.state = competition.phase ?? competition.state;
  write(byId("round"), competition.round ? `Round ${competition.round} of ${competition.rounds}` : `${competition.rounds} rounds, ${competition.teams} teams`);
  write(byId("seed"), competition.seed ? `seed ${competition.seed}` : `SHA-256 of the seed ${competition.seed_sha256}`);
}

function tick() {
  if (!competition) return;
  const ends = competition.phase === "paused" ? null : (competition.phase_ends_at ?? competition.ends_at);
  write(byId("clock"), minutes(leftMs(ends)));
  const silentS = (performance.now() - heardAt) / 1000;
  write(byId("stale"), silentS > 5 ? `No answer from the exchange for ${Math.floor(silentS)} s` : "");
}

// The reference price of each security, at which its round began.
const opening = new Map();

async function showPrices() {
  const running = competition.state === "running" ? competition.securities : [];
  const place = byId("prices");
  setClass(place, "hidden", running.length === 0);
  if (running.some((one) => !opening.has(one.security_id))) {
    for (const one of (await get("/securities", null)).data) opening.set(one.security_id, one.reference_price);
  }
  const prices = await Promise.all(running.map((one) => get(path`/price/${one.security_id}`, null)));
  const cards = prices.map((quote, index) => {
    const { security_id: security } = running[index];
    quote.last ??= quote.bid !== null && quote.ask !== null ? (quote.bid + quote.ask) / 2 : null;
    const change = quote.last === null || !opening.has(security) ? null : quote.last / opening.get(security) - 1;
    const move = !change ? "none" : change > 0 ? "up" : "down";
    return element(
      "div",
      { className: "price", data: { move } },
      element("span", { className: "what" }, running[index].name),
      element("strong", { className: "number" }, price(quote.last)),
      element("span", { className: "number change" }, change === null ? "" : `${signed(change * 100)} %`),
      element("span", { className: "number quotes" }, quote.bid === null && quote.ask === null ? "" : `${price(quote.bid)} – ${price(quote.ask)}`),
    );
  });
  place.replaceChildren(...cards);
}

const rows = new Map();

function rowOf(team) {
  if (!rows.has(team.client_id)) {
    const cells = ["number", "team", "number", "number"].map((className) => element("td", { className }));
    rows.set(team.client_id, { node: element("tr", {}, ...cells), cells });
  }
  return rows.get(team.client_id);
}

async function showStandings() {
  const { data } = await get(path`/competitions/${id}/standings`, null);
  const live = data.some((team) => team.live_gain !== null);
  write(byId("now-title"), live ? "This round" : "Gain");
  const score = (team) => (live ? [team.live_gain, team.points] : [team.points, team.gain]);
  const sorted = [...data].sort((a, b) => score(b)[0] - score(a)[0] || score(b)[1] - score(a)[1]).slice(0, MOST_TEAMS);
  const place = byId("standings");
  const before = new Map([...place.children].map((node) => [node, node.getBoundingClientRect().top]));
  const nodes = sorted.map((team) => {
    const { node, cells } = rowOf(team);
    const shown = live ? team.live_gain : team.gain;
    write(cells[0], String(live ? 1 + data.filter((other) => other.live_gain > team.live_gain).length : team.rank));
    write(cells[1], team.team);
    write(cells[2], signed(shown));
    cells[2].dataset.move = shown > 0 ? "up" : shown < 0 ? "down" : "none";
    write(cells[3], price(team.points).replace("-", "−"));
    return node;
  });
  place.replaceChildren(...nodes);
  setClass(byId("empty"), "hidden", data.length > 0);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) move(nodes, before);
}

// Rows glide to their new places, so that people see a team overtake another.
function move(nodes, before) {
  for (const node of nodes) {
    const from = before.get(node);
    const by = from === undefined ? 0 : from - node.getBoundingClientRect().top;
    if (by) node.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 500, easing: "ease-out" });
  }
}

async function showNews() {
  const { data } = await get(`/news?limit=${MOST_NEWS}`, null);
  byId("news").replaceChildren(
    ...data.map((one) =>
      element("li", {}, element("time", {}, clock(one.timestamp)), element("span", {}, one.headline), element("b", {}, words(one.security_id ?? ""))),
    ),
  );
}

async function refresh() {
  try {
    competition = await get(path`/competitions/${id}`, null);
    heardAt = performance.now();
    showState();
    await Promise.all([showPrices(), showStandings(), showNews()]);
  } catch (problem) {
    if (problem.status === 404) write(byId("state"), "There is no such competition.");
    else if (!competition) write(byId("state"), problem.message);
  }
}

repeatedly(1_000, refresh);
setInterval(tick, 200);
