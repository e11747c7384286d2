// The listed securities with their prices, and the chosen one in the bar at the top.

import { byId, element, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { get, path, repeatedly } from "../rest.js";
import { security } from "../session.js";
import { Signal } from "../signal.js";

const LISTING_MS = 15_000;
const HOURS = 24;

const listed = new Signal([]);
// Prices of a day ago, or the first ones since, by security.
const references = new Signal(new Map());

export function picker(market) {
  const rows = new Rows(byId("picker-rows"), () => row());
  repeatedly(LISTING_MS, refresh);

  paintOn([market.prices, listed, references, security], () => {
    const made = rows.fit(listed.value.length);
    listed.value.forEach((one, index) => writeRow(made[index], one, market));
    writeBar(market);
  });
}

async function refresh() {
  try {
    const { data } = await get("/securities");
    listed.value = data;
    const known = data.some((one) => one.security_id === security.value);
    if (!known && data.length > 0) security.value = busiest(data);
    for (const { security_id: id } of data) references.value.set(id, await reference(id));
    references.changed();
  } catch {
    // The bar shows that the exchange is away; the next turn asks again.
  }
}

// The price at the end of the first hour of the last day or, on a market that is younger, of its first minute: the very
// first trade of a market is often one that nobody meant.
async function reference(securityId) {
  const since = new Date(Date.now() - HOURS * 3_600_000).toISOString();
  const hours = (await get(path`/candles/${securityId}` + `?interval=1h&limit=${HOURS}`)).data;
  const ofTheDay = hours.filter((candle) => candle.start >= since);
  if (ofTheDay.length > 1) return ofTheDay.at(-1).close;
  const minutes = (await get(path`/candles/${securityId}` + "?interval=1m&limit=120")).data;
  return minutes.at(-1)?.close ?? null;
}

// The bots of `make up` trade in MSFT; a visitor sees at once that something happens.
function busiest(securities) {
  return (securities.find((one) => one.security_id === "MSFT") ?? securities[0]).security_id;
}

function row() {
  const made = tableRow(["", "number", "number", "number"], 0);
  made.button = element("button", { type: "button" });
  made.cells[0].append(made.button);
  made.node.addEventListener("click", () => (security.value = made.button.textContent));
  return made;
}

function writeRow({ node, button, cells }, { security_id: id, halted }, market) {
  const { bid, ask, last } = market.prices.value.get(id) ?? {};
  const change = changeOf(id, last);
  write(button, id);
  button.setAttribute("aria-pressed", String(id === security.value));
  button.title = halted ? "halted: takes cancels only" : "";
  setClass(node, "chosen", id === security.value);
  write(cells[1], halted ? "halted" : format.price(last));
  write(cells[2], change === null ? format.NOTHING : format.percent(change));
  colour(cells[2], change);
  write(cells[3], spreadOf(bid, ask));
}

function writeBar(market) {
  const id = security.value;
  if (id === null) return;
  const { bid, ask, last } = market.prices.value.get(id) ?? {};
  const change = changeOf(id, last);
  const node = byId("quote-change");
  write(byId("quote-security"), id);
  write(byId("quote-last"), format.price(last));
  write(node, change === null ? "" : `${format.signed(last - references.value.get(id))} (${format.percent(change)})`);
  node.title = "since a day ago, or since the market began";
  colour(node, change);
  write(byId("quote-bid"), format.price(bid));
  write(byId("quote-ask"), format.price(ask));
  write(byId("quote-spread"), spreadOf(bid, ask));
}

function changeOf(id, last) {
  const before = references.value.get(id);
  return before && last ? last / before - 1 : null;
}

function spreadOf(bid, ask) {
  return bid && ask ? format.price(ask - bid) : format.NOTHING;
}

function colour(node, change) {
  setClass(node, "up", change > 0);
  setClass(node, "down", change < 0);
}
