// The cumulative quantity up to each price, on both sides of the middle.

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { writeAbsence } from "../absence.js";
import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { levels } from "../market.js";
import { axes, plotIn } from "../plot.js";
import { Signal } from "../signal.js";
import { colour, shown } from "../theme.js";

// Levels further than this from the middle say little about the quantity that an order meets [fraction of the price].
const REACH = 0.02;
// At least this much is in view on each side of the middle [dollars].
const LEAST = 0.1;

export function depth(market, stream) {
  // The index of the drawn price at the pointer; null without one.
  const pointed = new Signal(null);
  const plot = plotIn(byId("depth-chart"), () => ({
    scales: { x: { time: false, range: (_plot, low, high) => [low, high] }, y: { range: (_plot, _low, high) => [0, high * 1.08 || 1] } },
    axes: axes({ x: (value) => format.price(value), y: (value) => format.brief(value) }),
    series: [{}, side("bids", "up", -1), side("asks", "down", 1)],
    cursor: { y: false, drag: { x: false, y: false } },
    hooks: { setCursor: [(drawn) => (pointed.value = drawn.cursor.idx ?? null)] },
  }));

  paintOn([market.book, pointed, stream.arrived, stream.refused, stream.failed], () => {
    const bids = levels(market.book.value.bids, { descending: true });
    const asks = levels(market.book.value.asks, { descending: false });
    const empty = bids.length === 0 && asks.length === 0;
    const texts = { what: "the order book", nothing: "The book is empty: there are no orders now." };
    writeAbsence(byId("depth-empty"), empty, stream.lack("book", market.securityId), texts);
    if (empty) {
      pointed.value = null;
      write(byId("depth-legend"), "");
      return;
    }
    const drawn = columns(bids, asks);
    plot.show(drawn);
    legend(bids, asks, pointed.value === null ? null : drawn.map((column) => column[pointed.value]));
  });
  paintOn([shown], () => plot.again());
}

function side(label, name, align) {
  return {
    label,
    stroke: colour(name),
    fill: colour(`${name}-soft`),
    width: 1.5,
    points: { show: false },
    paths: uPlot.paths.stepped({ align }),
  };
}

// Prices in order, with the cumulative quantities of the two sides; each is null where the other one is.
function columns(bids, asks) {
  const middle = bids.length && asks.length ? (bids[0].price + asks[0].price) / 2 : (bids[0] ?? asks[0]).price;
  const reach = Math.max(middle * REACH, LEAST);
  const near = (level) => Math.abs(level.price - middle) <= reach;
  const below = bids.filter(near).reverse();
  const above = asks.filter(near);
  const furthest = Math.max(middle - (below[0]?.price ?? middle), (above.at(-1)?.price ?? middle) - middle, LEAST);
  // A little beyond the last level, so that no price occurs twice.
  const edge = furthest * 1.02;
  const nothing = (rows) => rows.map(() => null);
  return [
    [middle - edge, ...below.map(priceOf), ...above.map(priceOf), middle + edge],
    [below[0]?.total ?? null, ...below.map(totalOf), ...nothing(above), null],
    [null, ...nothing(below), ...above.map(totalOf), above.at(-1)?.total ?? null],
  ];
}

const priceOf = (level) => level.price;
const totalOf = (level) => level.total;

// The quantity that an order would meet up to the price at the pointer or, without one, in the whole book.
function legend(bids, asks, at) {
  if (at !== null && at[0] !== undefined && (at[1] ?? at[2] ?? null) !== null) {
    const side = at[1] === null ? "to buy" : "to sell";
    write(byId("depth-legend"), `${format.quantity(at[1] ?? at[2])} shares ${side} at ${format.price(at[0])} or better`);
    return;
  }
  const said = [
    bids.length ? `bids ${total(bids)}` : "no bids",
    asks.length ? `asks ${total(asks)}` : "no asks",
  ];
  write(byId("depth-legend"), said.join(" · "));
}

function total(rows) {
  return `${format.quantity(rows.at(-1).total)} shares, ${rows.length} level${rows.length === 1 ? "" : "s"}`;
}
