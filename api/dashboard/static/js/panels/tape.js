// The latest trades, newest first; the arrow says who came to whom: ▲ a buyer to the asks, ▼ a seller to the bids.

import { byId, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";

const SHOWN = 60;

export function tape(market) {
  const rows = new Rows(byId("tape-rows"), () => tableRow(["number quiet", "number", "number"]));
  paintOn([market.trades], () => {
    const trades = market.trades.value.slice(0, SHOWN);
    rows.fit(trades.length).forEach((row, index) => writeTrade(row, trades[index]));
    byId("tape-empty").hidden = trades.length > 0;
  });
}

function writeTrade({ node, cells }, trade) {
  const bought = trade.aggressor_side === "buy";
  write(cells[0], format.clock(trade.timestamp));
  write(cells[1], `${bought ? "▲" : "▼"} ${format.price(trade.price)}`);
  write(cells[2], format.quantity(trade.quantity));
  setClass(cells[1], "up", bought);
  setClass(cells[1], "down", !bought);
  node.title = `trade ${trade.trade_id}, ${format.exactClock(trade.timestamp)} UTC`;
}
