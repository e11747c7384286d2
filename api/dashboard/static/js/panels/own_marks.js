// The account's own orders and fills on the chart: lines at the prices of open orders, arrows at the fills.

import { createSeriesMarkers, LineStyle } from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import * as format from "../format.js";
import { fills, openOrders } from "../own.js";
import { security } from "../session.js";
import { colour, shown } from "../theme.js";

const MOST_LINES = 20;
const MOST_MARKS = 200;
const MOST_REPLAYED = 2_000;

// timeOf: converts a time to the chart's; stepS: the length of a candle [s]; untilMs: a replay shows no fill after it.
export function ownMarks(series, { timeOf, stepS, untilMs }) {
  const markers = createSeriesMarkers(series, []);
  let lines = [];
  let drawnLines = "";
  let drawnMarks = "";

  function drawLines() {
    const orders = (openOrders.value ?? []).filter((one) => one.security_id === security.value && (one.price || one.stop_price));
    const wanted = orders.slice(0, MOST_LINES).map(lineOf);
    const key = JSON.stringify(wanted);
    if (key === drawnLines) return;
    drawnLines = key;
    for (const line of lines) series.removePriceLine(line);
    lines = wanted.map((line) => series.createPriceLine(line));
  }

  function drawMarks(points) {
    const first = points[0]?.time;
    const rows = fills.value?.securityId === security.value ? fills.value.rows : [];
    const found = rows.filter((fill) => Date.parse(fill.timestamp) <= untilMs());
    const most = untilMs() === Infinity ? MOST_MARKS : MOST_REPLAYED;
    const wanted = first === undefined ? [] : marksOf(found.slice(0, most), first, stepS()).map((mark) => ({ ...mark, time: timeOf(mark.time) }));
    const key = JSON.stringify(wanted);
    if (key === drawnMarks) return;
    drawnMarks = key;
    markers.setMarkers(wanted);
  }

  return {
    signals: [openOrders, fills, shown],
    // Returns a description of the marks in words.
    draw(points) {
      drawLines();
      drawMarks(points);
      return `${counted(lines.length, "own order")} and ${counted(markers.markers().length, "mark")} of own fills`;
    },
  };
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function lineOf(order) {
  const buys = order.side === "buy";
  const left = format.quantity(order.quantity - order.filled_quantity);
  return {
    price: order.price ?? order.stop_price,
    color: colour(buys ? "up" : "down"),
    lineWidth: 1,
    lineStyle: order.type.startsWith("stop") ? LineStyle.Dotted : LineStyle.Dashed,
    axisLabelVisible: true,
    title: `${order.type.startsWith("stop") ? "stop " : ""}${buys ? "▲" : "▼"} ${left}`,
  };
}

// One mark for the fills of a side in a candle, oldest first.
function marksOf(rows, firstS, stepS) {
  const marks = new Map();
  for (const fill of rows) {
    const time = Math.floor(Date.parse(fill.timestamp) / 1000 / stepS) * stepS;
    if (time < firstS) continue;
    const key = `${time} ${fill.side}`;
    marks.set(key, { time, side: fill.side, quantity: (marks.get(key)?.quantity ?? 0) + fill.quantity });
  }
  return [...marks.values()].sort((a, b) => a.time - b.time).map(markOf);
}

function markOf({ time, side, quantity }) {
  const buys = side === "buy";
  return {
    time,
    position: buys ? "belowBar" : "aboveBar",
    shape: buys ? "arrowUp" : "arrowDown",
    color: colour("accent"),
    text: format.quantity(quantity),
  };
}
