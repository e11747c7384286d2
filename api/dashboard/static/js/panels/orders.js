// The orders of the key's account: the open ones, which can be edited in place and cancelled, and all of them with
// their outcomes. Every order leads to its life.

import { writeAbsence, lackOf } from "../absence.js";
import { byId, element, NamedRows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { termsOf, tickOf } from "../listing.js";
import { heldMore, stepped } from "../order_value.js";
import { history, openOrders, ownProblem, refreshOrders } from "../own.js";
import { reasonOf, reasonWords } from "../reasons.js";
import { get, patch, path, remove } from "../rest.js";
import { identity, isClient, mayTrade, ordersShown, security, zone } from "../session.js";
import { Signal } from "../signal.js";
import { chooseOrder } from "./life.js";

const OPEN = new Set(["pending", "new", "partially_filled"]);
const COLUMNS = ["time", "number order-id", "security", "side", "type", "number price", "number stop", "number filled", "number average", "status", "actions"];
const TABS = ["open", "fills", "history"];

// Prices in cents at which the account has open orders in the chosen security, for the ladder.
export const ownPrices = new Signal({ buy: new Set(), sell: new Set() });

// The orders with a cancel under way, and those with new terms under way: {quantity, price} until the report comes.
const cancelling = new Set();
const changing = new Map();
// The order that is being edited.
const edited = new Signal(null);

export function orders(market) {
  const rows = new NamedRows(byId("orders-rows"), () => row());
  byId("orders-cancel-all").addEventListener("click", () => act(() => remove("/orders")));
  for (const input of byId("orders-shown").querySelectorAll("input")) {
    input.checked = input.value === tab();
    input.addEventListener("change", () => (ordersShown.value = input.value));
  }
  market.heard.listen((reports) => hear(reports, market));
  identity.listen(() => (edited.value = null));

  paintOn([identity, openOrders, history, ownProblem, ordersShown, edited, zone], () => {
    const shown = tab();
    const found = shown === "history" ? history.value : openOrders.value;
    byId("orders").hidden = !isClient();
    byId("orders-of-account").hidden = shown === "fills";
    byId("fills-of-account").hidden = shown !== "fills";
    const list = found ?? [];
    rows.fit(list.map((order) => order.order_id)).forEach((made, index) => writeOrder(made, list[index]));
    byId("orders-table").hidden = list.length === 0;
    byId("orders-cancel-all").disabled = !openOrders.value?.length || !mayTrade();
    const nothing = shown === "history" ? "No orders yet." : "No open orders.";
    writeAbsence(byId("orders-empty"), list.length === 0, lackOf(found, ownProblem.value), { what: "your orders", nothing });
  });
  for (const signal of [openOrders, security]) signal.listen(mark);
}

function tab() {
  return TABS.includes(ordersShown.value) ? ordersShown.value : "open";
}

function mark() {
  const prices = { buy: new Set(), sell: new Set() };
  for (const order of openOrders.value ?? []) {
    if (order.security_id === security.value && order.price) prices[order.side].add(Math.round(order.price * 100));
  }
  ownPrices.value = prices;
}

// A report brings the outcome of new terms.
function hear(reports, market) {
  for (const { order_id: orderId, event_type: type, status, reason, side } of reports) {
    if (type !== "order" || !changing.has(orderId)) continue;
    const terms = changing.get(orderId);
    changing.delete(orderId);
    if (status === "denied" && side === null) explain(orderId, reason, terms, market);
  }
}

// Say why an order keeps its terms. The report has the reason; where cash or shares are short, the figures follow from
// the order and the account.
async function explain(orderId, reason, terms, market) {
  const order = openOrders.value?.find((one) => one.order_id === orderId);
  let words = reasonWords(reason);
  fault(`Order ${orderId} keeps its terms: ${words}.`);
  if (!order || (reason !== "insufficient_funds" && reason !== "insufficient_holdings")) return;
  try {
    const account = await get(path`/accounts/${identity.value.client_id}`);
    words = reason === "insufficient_funds" ? cashShort(order, terms, account, market) : sharesShort(order, terms, account);
    fault(`Order ${orderId} keeps its terms: ${words}.`);
  } catch {
    // The reason alone is there already.
  }
}

function cashShort(order, terms, account, market) {
  const needed = heldMore(order, terms, termsOf(market, order.security_id));
  return `needs ${format.price(needed)} more; ${format.price(account.available)} available`;
}

function sharesShort(order, { quantity = order.quantity }, account) {
  const available = account.holdings.find((one) => one.security_id === order.security_id)?.available ?? 0;
  const needed = quantity - order.quantity;
  return `needs ${format.quantity(needed)} more share${needed === 1 ? "" : "s"}; ${format.quantity(available)} available`;
}

function row() {
  const made = tableRow(COLUMNS);
  const button = (text, click) => {
    const node = element("button", { type: "button", className: "plain" }, text);
    node.addEventListener("click", () => click(made));
    return node;
  };
  made.life = button("life", ({ order }) => chooseOrder(order));
  made.edit = button("edit", () => beginEdit(made));
  made.cancel = button("cancel", cancel);
  made.save = button("save", save);
  made.leave = button("leave", () => (edited.value = null));
  made.cells.at(-1).append(made.life, made.edit, made.cancel, made.save, made.leave);
  made.price = input("new price", "decimal");
  made.quantity = input("new quantity", "numeric");
  for (const field of [made.price, made.quantity]) field.addEventListener("keydown", (event) => keys(event, made));
  return made;
}

function input(label, inputMode) {
  return element("input", { className: "number", inputMode, attributes: { "aria-label": label } });
}

function keys(event, made) {
  if (event.key === "Enter") save(made);
  else if (event.key === "Escape") {
    edited.value = null;
    made.edit.focus();
  } else if (event.target === made.price && ["ArrowUp", "ArrowDown"].includes(event.key)) {
    event.preventDefault();
    const ticks = event.key === "ArrowUp" ? 1 : -1;
    made.price.value = stepped(Number(made.price.value) || 0, ticks, tickOf(made.order.security_id)).toFixed(2);
  }
}

function beginEdit(made) {
  const { order } = made;
  edited.value = order.order_id;
  made.price.value = order.price ? order.price.toFixed(2) : "";
  made.price.disabled = !order.price;
  made.quantity.value = String(order.quantity);
  writeOrder(made, order);
  (order.price ? made.price : made.quantity).select();
}

function cancel({ order }) {
  cancelling.add(order.order_id);
  act(() => remove(path`/orders/${order.security_id}/${order.order_id}`), () => cancelling.delete(order.order_id));
}

async function save(made) {
  const { order } = made;
  const terms = {};
  if (order.price && Number(made.price.value) !== order.price) terms.price = made.price.value.trim();
  if (Number(made.quantity.value) !== order.quantity) terms.quantity = Number(made.quantity.value) || made.quantity.value;
  edited.value = null;
  if (Object.keys(terms).length === 0) return;
  changing.set(order.order_id, terms);
  await act(() => patch(path`/orders/${order.security_id}/${order.order_id}`, terms), () => changing.delete(order.order_id));
}

async function act(request, failed = () => {}) {
  fault("");
  try {
    await request();
  } catch (problem) {
    failed();
    fault(problem.errors.map(({ pointer, detail }) => `${format.words(pointer.slice(1))} ${detail}`).join("; ") || problem.message);
  }
  refreshOrders();
}

function fault(text) {
  write(byId("orders-fault"), text);
}

function writeOrder(made, order) {
  made.order = order;
  const isOpen = OPEN.has(order.status);
  if (!isOpen) {
    cancelling.delete(order.order_id);
    changing.delete(order.order_id);
  }
  const isEdited = isOpen && edited.value === order.order_id;
  const texts = [
    format.clock(order.created_at),
    String(order.order_id),
    order.security_id,
    order.side === "buy" ? "▲ buy" : "▼ sell",
    terms(order),
    order.price ? format.price(order.price) : format.NOTHING,
    order.stop_price ? format.price(order.stop_price) : "",
    `${format.quantity(order.filled_quantity)} of ${format.quantity(order.quantity)}`,
    order.average_price ? format.price(order.average_price) : "",
    statusOf(order),
  ];
  texts.forEach((text, index) => writeCell(made.cells[index], text, isEdited ? { 5: made.price, 7: made.quantity }[index] : null));
  made.cells[9].title = texts[9];
  setClass(made.cells[3], "up", order.side === "buy");
  setClass(made.cells[3], "down", order.side === "sell");
  const mayChange = isOpen && mayTrade();
  made.life.hidden = isEdited;
  made.edit.hidden = made.cancel.hidden = !mayChange || isEdited;
  made.save.hidden = made.leave.hidden = !isEdited;
  made.edit.disabled = changing.has(order.order_id);
  made.cancel.disabled = cancelling.has(order.order_id);
  for (const name of ["life", "edit", "cancel", "save"]) {
    made[name].setAttribute("aria-label", name === "life" ? `life of order ${order.order_id}` : `${name} order ${order.order_id}`);
  }
}

// A text, or the field that replaces it.
function writeCell(cell, text, field) {
  if (field) {
    if (field.parentNode !== cell) cell.replaceChildren(field);
  } else write(cell, text);
}

function statusOf(order) {
  if (cancelling.has(order.order_id)) return "cancelling";
  if (changing.has(order.order_id)) return "changing";
  return format.words(order.status) + (order.reason ? `: ${reasonOf(order)}` : "");
}

function terms(order) {
  const iceberg = order.display_quantity ? `shows ${format.quantity(order.display_quantity)}` : "";
  const until = order.expires_at ? `until ${format.clock(order.expires_at)}` : "";
  const time = order.time_in_force === "gtc" ? "" : order.time_in_force;
  return [format.words(order.type), time, until, order.post_only ? "post only" : "", iceberg].filter(Boolean).join(", ");
}
