// The listed securities with their prices, and the chosen one in the bar at the top.

import { lackOf, writeAbsence } from "../absence.js";
import { byId, element, Rows, setClass, tableRow, write, writeGain } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { listed, listingProblem } from "../listing.js";
import { get, path, repeatedly } from "../rest.js";
import { security } from "../session.js";
import { Signal } from "../signal.js";

const DAYS_MS = 15_000;
const HOURS = 24;
// At most this many statistics are read in a turn, beginning with those that are the oldest.
const MOST_AT_ONCE = 20;
// With more securities than this, there is a field to find one.
const FEW = 12;

// The statistics of the last day for each security.
const days = new Signal(new Map());
const readAt = new Map();

export function picker(market) {
  const rows = new Rows(byId("picker-rows"), () => row());
  const find = byId("picker-find");
  const sought = new Signal("");
  find.addEventListener("input", () => (sought.value = find.value.trim().toUpperCase()));
  listed.listen(choose);
  repeatedly(DAYS_MS, refresh);
  listed.listen((data) => data.some((one) => !days.value.has(one.security_id)) && refresh());
  security.listen((id) => id !== null && !days.value.has(id) && refresh());

  paintOn([market.prices, listed, listingProblem, days, security, sought], () => {
    const every = listed.value ?? [];
    find.hidden = every.length <= FEW;
    const data = find.hidden ? every : every.filter((one) => one.security_id.includes(sought.value));
    const made = rows.fit(data.length);
    data.forEach((one, index) => writeRow(made[index], one, market));
    const nothing = every.length === 0 ? "No securities are listed." : "No security has these letters in its name.";
    const texts = { what: "the securities", nothing };
    writeAbsence(byId("picker-empty"), data.length === 0, lackOf(listed.value, listingProblem.value), texts);
    writeBar(market);
  });
}

// A listed security, even if the address or an earlier visit names another one.
function choose(data) {
  if (document.body.dataset.replay) return; // its bar chooses
  if (data.length === 0 || data.some((one) => one.security_id === security.value)) return;
  const other = busiest(data);
  const notice = byId("notice");
  notice.hidden = security.value === null;
  write(notice, `${security.value} is not listed here: this is ${other}.`);
  security.value = other;
}

async function refresh() {
  try {
    for (const id of next()) {
      readAt.set(id, Date.now());
      days.value.set(id, await day(id));
    }
  } catch {
    // The bar shows that the exchange is away; the next turn tries again.
  } finally {
    days.changed();
  }
}

// The securities whose statistics are read next: the chosen one first.
function next() {
  const age = (id) => (id === security.value ? -1 : (readAt.get(id) ?? 0));
  const names = (listed.value ?? []).map((one) => one.security_id);
  return names.sort((one, other) => age(one) - age(other)).slice(0, MOST_AT_ONCE);
}

// The reference is the price at the beginning of the last 24 hours or, on a younger market, of its first auction.
async function day(securityId) {
  const since = new Date(Date.now() - HOURS * 3_600_000).toISOString();
  const candles = (await get(path`/candles/${securityId}` + `?interval=1h&limit=${HOURS}`)).data;
  const hours = candles.filter((candle) => candle.start >= since);
  if (hours.length === 0) return null;
  return {
    reference: hours[0].open,
    high: Math.max(...hours.map((candle) => candle.high)),
    low: Math.min(...hours.map((candle) => candle.low)),
    volume: hours.reduce((sum, candle) => sum + candle.volume, 0),
  };
}

// The bots of `make up` trade in MSFT, so a visitor sees at once that something happens.
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
  button.title = halted ? "halted: only cancels are accepted" : "";
  setClass(node, "chosen", id === security.value);
  write(cells[1], halted ? "halted" : format.price(last));
  writeGain(cells[2], change === null ? format.NOTHING : format.percent(change));
  write(cells[3], spreadOf(bid, ask));
}

function writeBar(market) {
  const id = security.value;
  if (id === null) return;
  const { bid, ask, last, move } = market.prices.value.get(id) ?? {};
  const change = changeOf(id, last);
  const today = days.value.get(id) ?? null;
  const node = byId("quote-change");
  write(byId("quote-security"), id);
  write(byId("quote-last"), format.price(last));
  const title = `${id}${last ? ` ${format.price(last)}` : ""} · Stock exchange`;
  if (document.title !== title) document.title = title;
  byId("quote-last").dataset.move = move ?? "none";
  writeGain(node, change === null ? "" : `${format.signed(last - today.reference)} (${format.percent(change)})`);
  node.title = "in 24 hours, or since the market began";
  write(byId("quote-bid"), format.price(bid));
  write(byId("quote-ask"), format.price(ask));
  write(byId("quote-spread"), spreadOf(bid, ask));
  write(byId("quote-high"), today && last ? format.price(Math.max(today.high, last)) : format.NOTHING);
  write(byId("quote-low"), today && last ? format.price(Math.min(today.low, last)) : format.NOTHING);
  write(byId("quote-volume"), today ? format.quantity(today.volume) : format.NOTHING);
}

function changeOf(id, last) {
  const before = days.value.get(id)?.reference;
  return before && last ? last / before - 1 : null;
}

function spreadOf(bid, ask) {
  return bid && ask ? format.price(ask - bid) : format.NOTHING;
}
