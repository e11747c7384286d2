// The team's own fills next to the slider of a replay: a list that leads to the moment of each, and two buttons.

import { byId, element, Rows, setClass, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { fills, ownProblem } from "../own.js";
import { identity, isClient, security } from "../session.js";
import { elapsed } from "./elapsed.js";

// The list has the fills around the moment of the slider.
const MOST_SHOWN = 200;

// moveTo: moves the slider to a time of the round [ms].
export function ownFills(market, feed, moveTo) {
  const rows = new Rows(byId("replay-fills"), () => fillRow((atMs) => moveTo(feed.after(atMs))));
  let found = null;
  let sorted = [];
  let reached = -1;

  // The fills with their moments, oldest first.
  function sort() {
    const now = fills.value?.securityId === security.value && feed.isLoaded ? fills.value.rows : null;
    if (now === found) return;
    found = now;
    sorted = (now ?? []).map((fill) => ({ ...fill, atMs: feed.momentOf(fill) })).reverse();
    sorted.sort((a, b) => a.atMs - b.atMs);
  }

  function draw() {
    sort();
    const before = reached;
    reached = sorted.findLastIndex((fill) => fill.atMs <= feed.timeMs);
    byId("replay-own").hidden = !isClient();
    byId("replay-steps").hidden = sorted.length === 0;
    byId("replay-back").disabled = reached < 0;
    byId("replay-on").disabled = reached === sorted.length - 1;
    write(byId("replay-sum"), sorted.length > 0 ? summaryOf(sorted, reached + 1) : absence());
    const from = Math.max(Math.min(reached + 1 - MOST_SHOWN / 2, sorted.length - MOST_SHOWN), 0);
    const shown = sorted.slice(from, from + MOST_SHOWN);
    const made = rows.fit(shown.length);
    const now = reached < 0 ? -1 : feed.after(sorted[reached].atMs);
    made.forEach((row, index) => row.write(shown[index], { isCurrent: feed.after(shown[index].atMs) === now, isToCome: from + index > reached }));
    if (reached !== before) reveal(made[Math.max(reached - from, 0)]?.node);
  }

  function absence() {
    if (ownProblem.value) return `Your fills are unknown: ${ownProblem.value}.`;
    return found === null ? "Waiting for your fills." : "You have no fills in this security and round.";
  }

  byId("replay-back").addEventListener("click", () => {
    // From the moment of a fill to the one before it; from later, to this fill.
    const isAt = reached >= 0 && feed.after(sorted[reached].atMs) >= feed.timeMs;
    const before = sorted.slice(0, reached + 1).filter((fill) => !isAt || feed.after(fill.atMs) < feed.timeMs);
    moveTo(before.length > 0 ? feed.after(before.at(-1).atMs) : 0);
  });
  byId("replay-on").addEventListener("click", () => moveTo(feed.after(sorted[reached + 1].atMs)));
  paintOn([fills, ownProblem, identity, security, market.time, feed.state], draw);
}

function fillRow(choose) {
  const button = element("button", { type: "button", className: "plain" });
  const [time, side, terms] = ["time number", "side", "number"].map((className) => element("span", { className }));
  button.append(time, side, terms);
  let atMs = 0;
  button.addEventListener("click", () => choose(atMs));
  return {
    node: element("li", {}, button),
    // Several fills of one moment are current together.
    write(fill, { isCurrent, isToCome }) {
      atMs = fill.atMs;
      const buys = fill.side === "buy";
      write(time, elapsed(atMs));
      write(side, buys ? "▲ buy" : "▼ sell");
      write(terms, `${format.quantity(fill.quantity)} @ ${format.price(fill.price)}`);
      setClass(side, "up", buys);
      setClass(side, "down", !buys);
      setClass(button, "to-come", isToCome);
      button.ariaCurrent = String(isCurrent);
      button.title = `trade ${fill.trade_id}, order ${fill.order_id}`;
    },
  };
}

function summaryOf(sorted, count) {
  const past = sorted.slice(0, count);
  const sides = [["buy", "bought"], ["sell", "sold"]].map(([side, verb]) => {
    const some = past.filter((fill) => fill.side === side);
    const shares = some.reduce((sum, fill) => sum + fill.quantity, 0);
    const worth = some.reduce((sum, fill) => sum + fill.quantity * fill.price, 0);
    return shares > 0 ? `${verb} ${format.quantity(shares)} at ${format.price(worth / shares)} on average` : "";
  });
  const said = sides.filter((one) => one).join(", ");
  return `${format.quantity(count)} of ${format.quantity(sorted.length)} fill${sorted.length === 1 ? "" : "s"} until here${said ? `: ${said}` : ""}.`;
}

// Scroll the list alone, never the page.
function reveal(node) {
  const list = byId("replay-fills");
  if (!node) return;
  const top = node.offsetTop;
  if (top < list.scrollTop || top + node.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
}
