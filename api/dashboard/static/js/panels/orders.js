// The orders of the key's account, to be cancelled; each leads to its life.

import { byId, element, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { get, path, remove, whenAsked } from "../rest.js";
import { identity, isClient, mayTrade, ordersShown, security } from "../session.js";
import { Signal } from "../signal.js";
import { chosenOrder } from "./life.js";

const EVERY_MS = 500;
const MOST_OPEN = 200;
const MOST_OF_ALL = 100;
const OPEN = new Set(["pending", "new", "partially_filled"]);

// Prices in cents at which the account has open orders in the chosen security, for the ladder.
export const ownPrices = new Signal({ buy: new Set(), sell: new Set() });

const open = new Signal([]);
const all = new Signal([]);
// Orders whose cancel is under way.
const cancelling = new Set();

export function orders(market) {
  const refresh = whenAsked(EVERY_MS, load);
  for (const signal of [market.reports, identity, ordersShown]) signal.listen(refresh);
  const rows = new Rows(byId("orders-rows"), () => row(refresh));
  byId("orders-cancel-all").addEventListener("click", () => act(() => remove("/orders"), refresh));
  for (const input of byId("orders-shown").querySelectorAll("input")) {
    input.checked = input.value === ordersShown.value;
    input.addEventListener("change", () => (ordersShown.value = input.value));
  }

  paintOn([identity, open, all, ordersShown], () => {
    byId("orders").hidden = !isClient();
    const shown = ordersShown.value === "all" ? all.value : open.value;
    rows.fit(shown.length).forEach((made, index) => writeOrder(made, shown[index]));
    byId("orders-table").hidden = shown.length === 0;
    byId("orders-cancel-all").disabled = open.value.length === 0 || !mayTrade();
    byId("orders-empty").hidden = shown.length > 0;
    write(byId("orders-empty"), ordersShown.value === "all" ? "No orders yet." : "No open orders.");
  });
  for (const signal of [open, security]) signal.listen(mark);
}

async function load() {
  if (!isClient()) {
    open.value = all.value = [];
    return;
  }
  try {
    const found = await get(`/orders?status=open&limit=${MOST_OPEN}`);
    if (ordersShown.value === "all") all.value = (await get(`/orders?status=all&limit=${MOST_OF_ALL}`)).data;
    open.value = found.data;
    write(byId("orders-fault"), "");
  } catch (problem) {
    write(byId("orders-fault"), problem.message);
  }
}

function mark() {
  const prices = { buy: new Set(), sell: new Set() };
  for (const order of open.value) {
    if (order.security_id === security.value && order.price) prices[order.side].add(Math.round(order.price * 100));
  }
  ownPrices.value = prices;
}

function row(refresh) {
  const made = tableRow(["time", "number", "", "", "", "number", "number", "number", "", ""]);
  made.life = element("button", { type: "button", className: "plain" }, "life");
  made.cancel = element("button", { type: "button", className: "plain" }, "cancel");
  made.cells.at(-1).append(made.life, " ", made.cancel);
  made.life.addEventListener("click", () => {
    chosenOrder.value = made.order;
    byId("life").scrollIntoView({ block: "nearest" });
  });
  made.cancel.addEventListener("click", () => {
    const { security_id: securityId, order_id: orderId } = made.order;
    cancelling.add(orderId);
    act(() => remove(path`/orders/${securityId}/${orderId}`), refresh, () => cancelling.delete(orderId));
  });
  return made;
}

async function act(request, refresh, failed = () => {}) {
  write(byId("orders-fault"), "");
  try {
    await request();
  } catch (problem) {
    failed();
    write(byId("orders-fault"), problem.message);
  }
  refresh();
}

function writeOrder(made, order) {
  made.order = order;
  const texts = [
    format.clock(order.created_at),
    String(order.order_id),
    order.security_id,
    order.side === "buy" ? "▲ buy" : "▼ sell",
    terms(order),
    order.price ? format.price(order.price) : format.NOTHING,
    format.quantity(order.filled_quantity),
    format.quantity(order.quantity),
    format.words(order.status) + (order.reason ? ` (${format.words(order.reason)})` : ""),
  ];
  texts.forEach((text, index) => write(made.cells[index], text));
  setClass(made.cells[3], "up", order.side === "buy");
  setClass(made.cells[3], "down", order.side === "sell");
  const isOpen = OPEN.has(order.status);
  if (!isOpen) cancelling.delete(order.order_id);
  made.cancel.hidden = !isOpen || !mayTrade();
  made.cancel.disabled = cancelling.has(order.order_id);
  made.life.setAttribute("aria-label", `life of order ${order.order_id}`);
  made.cancel.setAttribute("aria-label", `cancel order ${order.order_id}`);
}

function terms(order) {
  const more = [order.time_in_force === "gtc" ? "" : order.time_in_force, order.post_only ? "post only" : ""];
  return [order.type, ...more.filter(Boolean)].join(", ");
}
