// The outcome of the last order that was sent, in the ticket: from "on its way" to filled or rejected, with a button
// that leads to its life.

import { byId, setClass, write } from "../elements.js";
import { soon } from "../frames.js";
import * as format from "../format.js";
import { fateOf } from "../fate.js";
import { get, path, whenAsked } from "../rest.js";
import { identity, security } from "../session.js";
import { chooseOrder } from "./life.js";

// Reports show at once that something happened; the requests at these intervals are for when the stream is away [ms].
const LOOKS_MS = [150, 1_000, 3_000, 10_000];
const BETWEEN_MS = 100;
const CLOSED = new Set(["filled", "cancelled", "rejected"]);

let followed = null;
let look = () => {};

export function outcome(market) {
  look = whenAsked(BETWEEN_MS, load);
  market.heard.listen((reports) => {
    if (followed !== null && reports.some((report) => report.order_id === followed.orderId)) look();
  });
  security.listen(forget);
  identity.listen(forget);
  byId("order-life").addEventListener("click", () => {
    if (followed) chooseOrder({ security_id: followed.securityId, order_id: followed.orderId });
  });
}

// Follow this order in the ticket from now on.
export function follow(securityId, orderId) {
  followed = { securityId, orderId, closed: false };
  write(byId("order-number"), `order ${orderId}`);
  byId("order-life").hidden = false;
  say("waiting", "…", "on its way to order entry", true);
  const mine = followed;
  for (const afterMs of LOOKS_MS) setTimeout(() => followed === mine && !mine.closed && look(), afterMs);
}

// One line of text with its mark: nothing, a question, or the outcome of an order.
export function say(kind, mark, text, ofOrder = false) {
  if (!ofOrder) forget();
  const node = byId("order-outcome");
  for (const one of ["waiting", "done", "failed", "asked"]) setClass(node, one, kind === one);
  write(byId("outcome-mark"), mark);
  write(byId("outcome-text"), text);
}

function forget() {
  followed = null;
  byId("order-life").hidden = true;
  write(byId("order-number"), "");
  write(byId("outcome-mark"), "");
  write(byId("outcome-text"), "");
}

async function load() {
  const mine = followed;
  if (mine === null) return;
  try {
    const order = await get(path`/orders/${mine.securityId}/${mine.orderId}`);
    if (followed !== mine) return;
    mine.closed = CLOSED.has(order.status);
    const fate = fateOf(order);
    soon(() => followed === mine && say(fate.kind, fate.mark, fate.text, true));
  } catch (problem) {
    if (followed !== mine) return;
    say("waiting", "…", `${format.words(problem.message)}; asking again`, true);
    setTimeout(look, LOOKS_MS[1]);
  }
}
