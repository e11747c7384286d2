// The best levels of the book, asks above bids, with the spread between them; dots mark levels with an own order.

import { absence } from "../absence.js";
import { byId, Rows, setClass, setShare, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { levels } from "../market.js";
import { security } from "../session.js";
import { Signal } from "../signal.js";
import { ownPrices } from "./orders.js";
import { takePrice } from "./ticket.js";

const MOST_LEVELS = 30;

export function ladder(market, stream) {
  const rowOf = () => clickable(tableRow(["number", "number", "number bar-cell"]));
  const askRows = new Rows(byId("ladder-asks"), rowOf);
  const bidRows = new Rows(byId("ladder-bids"), rowOf);
  const room = new Signal(levelsThatFit());
  new ResizeObserver(() => (room.value = levelsThatFit())).observe(byId("ladder-clip"));

  paintOn([market.book, market.prices, ownPrices, security, room, stream.arrived, stream.refused, stream.failed], () => {
    // The rows fill the room, even if some are empty: a ladder whose rows move cannot be read.
    const most = room.value;
    const [asks, bids] = [askRows.fit(most), bidRows.fit(most)];
    const best = {
      asks: levels(market.book.value.asks, { descending: false, most }),
      bids: levels(market.book.value.bids, { descending: true, most }),
    };
    const deepest = Math.max(best.asks.at(-1)?.total ?? 0, best.bids.at(-1)?.total ?? 0);
    asks.forEach((row, index) => writeLevel(row, best.asks[most - 1 - index], deepest, ownPrices.value.sell));
    bids.forEach((row, index) => writeLevel(row, best.bids[index], deepest, ownPrices.value.buy));
    const last = market.prices.value.get(market.securityId)?.last;
    write(byId("ladder-last"), format.price(last));
    const lack = stream.lack("book", market.securityId);
    const nothing = spread(best.bids[0], best.asks[0]);
    write(byId("ladder-spread"), lack === null ? nothing : lack === "waiting" ? "waiting" : "unavailable");
    byId("ladder-spread").title = absence(lack, { what: "the order book", nothing: "" });
  });
}

// The rows of each side; the rest of the room is for the head of the table and the middle between the sides.
function levelsThatFit() {
  const style = getComputedStyle(byId("ladder-clip"));
  const rowHeight = parseFloat(style.getPropertyValue("--row"));
  const left = byId("ladder-clip").clientHeight - parseFloat(style.getPropertyValue("--rest"));
  const count = Math.min(Math.max(Math.floor(left / rowHeight / 2), 3), MOST_LEVELS);
  // Spread the remaining room over the rows.
  byId("ladder-clip").style.setProperty("--fit", `${Math.max(Math.floor((left / count / 2) * 4) / 4, rowHeight)}px`);
  return count;
}

// For a mouse; for the keyboard, the ticket has buttons for the best prices.
function clickable(row) {
  row.node.addEventListener("click", () => row.price !== undefined && takePrice(row.price));
  return row;
}

function writeLevel(row, level, deepest, own) {
  const { node, cells } = row;
  row.price = level?.price;
  write(cells[0], level ? format.price(level.price) : "");
  write(cells[1], level ? format.quantity(level.quantity) : "");
  write(cells[2], level ? format.quantity(level.total) : "");
  cells[1].title = level ? `${level.orders} order${level.orders === 1 ? "" : "s"}` : "";
  setShare(cells[2], level ? level.total / deepest : 0);
  setClass(node, "own", level !== undefined && own.has(Math.round(level.price * 100)));
}

function spread(bid, ask) {
  if (!bid && !ask) return "the book is empty";
  if (!bid || !ask) return bid ? "no asks" : "no bids";
  const width = ask.price - bid.price;
  const middle = (ask.price + bid.price) / 2;
  return `spread ${format.price(width)}, ${((width / middle) * 10_000).toFixed(1)} bp`;
}
