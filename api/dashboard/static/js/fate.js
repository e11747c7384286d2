// The fate of an order in words: on its way, resting, filled, cancelled or rejected.

import * as format from "./format.js";
import { reasonOf } from "./reasons.js";

const MARKS = { waiting: "…", done: "✓", failed: "✕" };

// {kind, mark, text}; kind is waiting, done or failed.
export function fateOf(order) {
  const [kind, text] = wordsOf(order);
  return { kind, mark: MARKS[kind], text };
}

function wordsOf(order) {
  const { status, quantity, filled_quantity: filled } = order;
  const traded = filled > 0 ? `filled ${format.quantity(filled)} @ ${format.price(order.average_price)} on average` : "";
  if (status === "pending") return ["waiting", "on its way to order entry"];
  if (status === "rejected") return ["failed", `rejected: ${reasonOf(order)}`];
  if (status === "filled") return ["done", traded];
  if (status === "partially_filled") return ["done", `${traded}; ${rest(order, quantity - filled)}`];
  if (status === "cancelled") {
    const why = reasonOf(order);
    return traded ? ["done", `${traded}; the rest is cancelled: ${why}`] : ["failed", `cancelled: ${why}`];
  }
  return ["done", `accepted; ${rest(order, quantity)}`];
}

function rest(order, quantity) {
  const shares = format.quantity(quantity);
  if (order.type.startsWith("stop")) return `${shares} waiting for ${format.price(order.stop_price)}`;
  return order.price ? `${shares} resting @ ${format.price(order.price)}` : `${shares} waiting for the auction`;
}
