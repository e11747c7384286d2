// The best levels of the book, asks above bids, with the spread between them; a dot marks where one has an order.

import { byId, Rows, setClass, setShare, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { levels } from "../market.js";
import { security } from "../session.js";
import { ownPrices } from "./orders.js";

const LEVELS = 13;

export function ladder(market) {
  const rowOf = () => tableRow(["number", "number", "number bar-cell"]);
  // So many rows always, full or not: a ladder whose steps move cannot be read.
  const asks = new Rows(byId("ladder-asks"), rowOf).fit(LEVELS);
  const bids = new Rows(byId("ladder-bids"), rowOf).fit(LEVELS);

  paintOn([market.book, market.prices, ownPrices, security], () => {
    const best = {
      asks: levels(market.book.value.asks, { descending: false, most: LEVELS }),
      bids: levels(market.book.value.bids, { descending: true, most: LEVELS }),
    };
    const deepest = Math.max(best.asks.at(-1)?.total ?? 0, best.bids.at(-1)?.total ?? 0);
    asks.forEach((row, index) => writeLevel(row, best.asks[LEVELS - 1 - index], deepest, ownPrices.value.sell));
    bids.forEach((row, index) => writeLevel(row, best.bids[index], deepest, ownPrices.value.buy));
    const last = market.prices.value.get(market.securityId)?.last;
    write(byId("ladder-last"), format.price(last));
    write(byId("ladder-spread"), spread(best.bids[0], best.asks[0]));
  });
}

function writeLevel({ node, cells }, level, deepest, own) {
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
