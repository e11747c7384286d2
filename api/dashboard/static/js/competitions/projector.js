// The page for the wall: time left, prices, moving standings, and news. It needs no key.

import { byId, element, setClass, write } from "../elements.js";
import { price, signed } from "../format.js";
import { get, path, repeatedly } from "../rest.js";
import { lastPart } from "./address.js";
import { leftMs, minutes } from "./clock.js";

const id = lastPart(location.pathname);
const STATES = { registration: "Teams are joining", break: "Break", finished: "Finished", stopped: "Stopped" };
const MOST_NEWS = 5;
// The news are those of the whole exchange, so more are read than shown.
const READ_NEWS = 50;
// Teams that do not fit on the wall are shown in turn.
const PAGE_MS = 10_000;
const LONG_TITLE = 40;
const MANY_SECURITIES = 5;
let competition = null;
let heardAt = performance.now();

const PHASES = { auction: "Opening auction", trading: "Trading", closing_auction: "Closing auction", settlement: "Settlement", paused: "Paused" };

function showState() {
  write(byId("name"), competition.name);
  setClass(byId("name"), "long", competition.name.length > LONG_TITLE);
  document.title = competition.name;
  const running = competition.state === "running";
  write(byId("state"), running ? (PHASES[competition.phase] ?? "Preparing the round") : STATES[competition.state]);
  document.body.dataset.state = competition.phase ?? competition.state;
  write(byId("round"), competition.round ? `Round ${competition.round} of ${competition.rounds}` : `${counted(competition.rounds, "round")}, ${counted(competition.teams, "team")}`);
  write(byId("seed"), competition.seed ? `seed ${competition.seed}` : `SHA-256 of the seed ${competition.seed_sha256}`);
  showReport();
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// Where people go on when it is over.
function showReport() {
  const isOver = competition.state === "finished" || competition.state === "stopped";
  const place = byId("onward");
  if (!isOver || place.childElementCount > 0) return;
  const href = path`/competitions/${id}/report`;
  place.replaceChildren("Report: ", element("a", { href }, `${location.origin}${href}`));
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
  setClass(place, "many", running.length >= MANY_SECURITIES);
  if (running.some((one) => !opening.has(one.security_id))) {
    for (const one of (await get("/securities", null)).data) opening.set(one.security_id, one.reference_price);
  }
  const prices = await Promise.all(running.map((one) => quoteOf(one.security_id)));
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

// While a round is being prepared, its securities are not listed yet.
async function quoteOf(security) {
  return opening.has(security) ? get(path`/price/${security}`, null) : { bid: null, ask: null, last: null };
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
  const sorted = [...data].sort((a, b) => score(b)[0] - score(a)[0] || score(b)[1] - score(a)[1]);
  setClass(byId("empty"), "hidden", data.length > 0);
  setClass(byId("board"), "hidden", data.length === 0);
  const place = byId("standings");
  const before = new Map([...place.children].map((node) => [node, node.getBoundingClientRect().top]));
  const rowFor = (team) => {
    const { node, cells } = rowOf(team);
    const shown = live ? team.live_gain : team.gain;
    write(cells[0], String(live ? 1 + data.filter((other) => other.live_gain > team.live_gain).length : team.rank));
    write(cells[1], team.team);
    cells[1].title = team.team;
    write(cells[2], signed(shown));
    cells[2].dataset.move = shown > 0 ? "up" : shown < 0 ? "down" : "none";
    write(cells[3], price(team.points).replace("-", "−"));
    return node;
  };
  let nodes = onPage(sorted).map(rowFor);
  place.replaceChildren(...nodes);
  if (nodes.length > rowsThatFit()) {
    nodes = onPage(sorted).map(rowFor); // now that a row can be measured
    place.replaceChildren(...nodes);
  }
  shrinkLongNames();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) move(nodes, before);
}

// The teams that fit on the wall now; a phone scrolls.
function onPage(sorted) {
  const fit = rowsThatFit();
  const isWhole = sorted.length <= fit;
  const page = Math.floor(performance.now() / PAGE_MS) % Math.ceil(sorted.length / fit);
  const first = isWhole ? 0 : Math.min(page * fit, sorted.length - fit);
  const shown = sorted.slice(first, first + fit);
  write(byId("page"), isWhole ? "" : `${first + 1}–${first + shown.length} of ${counted(sorted.length, "team")}`);
  return shown;
}

// Names that the column would cut off are smaller.
function shrinkLongNames() {
  const names = [...byId("standings").querySelectorAll(".team:not(.long)")];
  for (const cell of names.filter((one) => one.scrollWidth > one.clientWidth)) cell.classList.add("long");
}

function rowsThatFit() {
  const row = byId("standings").firstElementChild;
  if (row === null || matchMedia("(max-width: 800px)").matches) return Infinity;
  const board = byId("board").parentElement;
  const style = getComputedStyle(board);
  const caption = 1.6 * parseFloat(style.fontSize);
  const room = board.getBoundingClientRect().bottom - byId("standings").getBoundingClientRect().top - parseFloat(style.paddingBottom) - caption;
  return Math.max(Math.floor(room / row.offsetHeight), 3);
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
  const { data } = await get(`/news?limit=${READ_NEWS}`, null);
  const own = new Map(competition.securities.map((one) => [one.security_id, one.name]));
  const shown = data.filter((one) => one.security_id === null || own.has(one.security_id)).slice(0, MOST_NEWS);
  byId("news").replaceChildren(
    ...shown.map((one) =>
      element("li", {}, element("time", {}, localClock(one.timestamp)), element("span", {}, one.headline), element("b", {}, own.get(one.security_id) ?? "")),
    ),
  );
  setClass(byId("news-panel"), "hidden", shown.length === 0);
  dropCutOff();
}

// People look at the clock on the wall, which shows local time.
function localClock(timestamp) {
  return new Date(timestamp).toLocaleTimeString("en-GB");
}

// The oldest news give way where the wall has no room.
function dropCutOff() {
  const bottom = byId("news-panel").getBoundingClientRect().bottom;
  for (const node of [...byId("news").children].slice(1)) if (node.getBoundingClientRect().bottom > bottom) node.remove();
}

async function refresh() {
  try {
    competition = await get(path`/competitions/${id}`, null);
  } catch (problem) {
    if (problem.status === 404) write(byId("state"), "There is no such competition.");
    else if (!competition) write(byId("state"), problem.message);
    return;
  }
  heardAt = performance.now();
  showState();
  // One part that cannot be read does not hide the others.
  await Promise.allSettled([showPrices(), showStandings(), showNews()]);
}

repeatedly(1_000, refresh);
setInterval(tick, 200);
