// The latest trades, newest first; the sign is the aggressor's: ▲ a buyer took an ask, ▼ a seller took a bid,
// ◆ neither, in an auction.

import { writeAbsence } from "../absence.js";
import { byId, Rows, setClass, setShare, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { fills } from "../own.js";
import { security, zone } from "../session.js";
import { Signal } from "../signal.js";

const MOST_SHOWN = 100;
const SIGNS = { buy: "▲", sell: "▼" };

export function tape(market, stream) {
  const rows = new Rows(byId("tape-rows"), () => tableRow(["time", "number", "number"]));
  const room = new Signal(rowsThatFit());
  new ResizeObserver(() => (room.value = rowsThatFit())).observe(byId("tape-clip"));
  paintOn([market.trades, fills, room, security, zone, stream.arrived, stream.refused, stream.failed], () => {
    const trades = market.trades.value.slice(0, room.value);
    const largest = trades.reduce((most, trade) => Math.max(most, trade.quantity), 1);
    const own = new Set((fills.value?.rows ?? []).map((fill) => fill.trade_id));
    rows.fit(trades.length).forEach((row, index) => writeTrade(row, trades[index], largest, own.has(trades[index].trade_id)));
    const texts = { what: "trades", nothing: "No trades yet." };
    writeAbsence(byId("tape-empty"), trades.length === 0, stream.lack("trades", market.securityId), texts);
  });
}

// No row is cut off; the head of the table is slightly higher than a row.
function rowsThatFit() {
  const clip = byId("tape-clip");
  const rowHeight = parseFloat(getComputedStyle(clip).getPropertyValue("--row"));
  return Math.min(Math.max(Math.floor((clip.clientHeight - 3) / rowHeight) - 1, 3), MOST_SHOWN);
}

function writeTrade({ node, cells }, trade, largest, isOwn) {
  const side = trade.aggressor_side;
  write(cells[0], format.clock(trade.timestamp));
  write(cells[1], `${SIGNS[side] ?? "◆"} ${format.price(trade.price)}`);
  write(cells[2], format.quantity(trade.quantity));
  setShare(cells[2], trade.quantity / largest);
  setClass(node, "own", isOwn);
  setClass(cells[1], "up", side === "buy");
  setClass(cells[1], "down", side === "sell");
  node.title = `trade ${trade.trade_id}, ${format.exactClock(trade.timestamp)} ${format.zoneName()}`;
}
