// The order ticket, and the key that it takes. What is wrong with a field is said beside the field.

import { byId, setClass, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { get, post } from "../rest.js";
import { identity, key, mayTrade, security } from "../session.js";

const FIELDS = ["quantity", "price", "time_in_force", "post_only"];
const KEY = /^[A-Za-z0-9_-]{1,128}$/;

const form = byId("order-form");
const fields = form.elements;

// The id of the order that is being sent, kept until its outcome is known: sent again it is the same order.
let clientOrderId = null;

export function ticket(market) {
  byId("key-form").addEventListener("submit", useKey);
  byId("key-forget").addEventListener("click", () => (key.value = null));
  form.addEventListener("submit", (event) => place(event, market));
  form.addEventListener("input", () => {
    clientOrderId = null;
    describe(market);
  });
  for (const side of ["bid", "ask", "last"]) {
    byId(`take-${side}`).addEventListener("click", () => take(market, side));
  }
  paintOn([identity, security], () => showOwner(market));
  paintOn([market.prices, security], () => showPrices(market));
}

async function useKey(event) {
  event.preventDefault();
  const field = byId("key");
  const entered = field.value.trim();
  const fault = byId("key-error");
  write(fault, "");
  field.removeAttribute("aria-invalid");
  try {
    if (!KEY.test(entered)) throw new Error("this is no key: keys are letters, digits, - and _");
    const found = await get("/whoami", entered);
    key.value = entered;
    identity.value = found;
    field.value = "";
    byId("ticket").focus();
  } catch (problem) {
    field.setAttribute("aria-invalid", "true");
    write(fault, problem.status === 401 ? "the exchange does not know this key" : problem.message);
  }
}

function showOwner(market) {
  const found = identity.value;
  byId("key-form").hidden = found !== null || key.value !== null;
  byId("ticket-who").hidden = found === null;
  byId("order-fields").disabled = !mayTrade();
  if (found === null) {
    byId("ticket-hint").hidden = true;
    byId("account").hidden = true;
    form.hidden = false;
    describe(market);
    return;
  }
  write(byId("ticket-owner"), found.client_id ?? "the admin");
  const hint = byId("ticket-hint");
  hint.hidden = mayTrade();
  write(hint, found.role === "admin" ? "The admin has no account: orders take a client's key." : "This key may read only.");
  form.hidden = !mayTrade();
  byId("account").hidden = found.role === "admin";
  describe(market);
}

function showPrices(market) {
  const prices = market.prices.value.get(security.value) ?? {};
  for (const side of ["bid", "last", "ask"]) {
    const button = byId(`take-${side}`);
    write(button, `${side} ${format.price(prices[side])}`);
    button.disabled = !prices[side] || fields.type.value === "market";
  }
}

function take(market, side) {
  const price = market.prices.value.get(security.value)?.[side];
  if (price) takePrice(price);
}

// Write a price into the ticket, as long as it takes one.
export function takePrice(price) {
  if (!mayTrade() || fields.type.value === "market") return;
  fields.price.value = price.toFixed(2);
  form.dispatchEvent(new Event("input"));
  fields.price.focus();
}

// What pressing the button does stands on the button.
function describe(market) {
  const limit = fields.type.value === "limit";
  form.dataset.side = fields.side.value;
  fields.price.disabled = !limit;
  fields.post_only.disabled = !limit;
  fields.time_in_force.disabled = !limit;
  const verb = fields.side.value === "buy" ? "Buy" : "Sell";
  const price = limit ? fields.price.value.trim() || "…" : "market";
  fields.price.placeholder = limit ? "" : "market";
  write(byId("order-submit"), `${verb} ${fields.quantity.value.trim() || "…"} ${security.value ?? ""} @ ${price}`);
  showPrices(market);
}

function order() {
  const limit = fields.type.value === "limit";
  const quantity = fields.quantity.value.trim();
  clientOrderId ??= `page-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`;
  return {
    type: fields.type.value,
    security_id: security.value,
    side: fields.side.value,
    // What is no integer goes out as it was written: the exchange says what is wrong with it.
    quantity: /^\d{1,15}$/.test(quantity) ? Number(quantity) : quantity,
    ...(limit && { price: fields.price.value.trim() }),
    ...(limit && { time_in_force: fields.time_in_force.value, post_only: fields.post_only.checked }),
    client_order_id: clientOrderId,
  };
}

async function place(event, market) {
  event.preventDefault();
  const button = byId("order-submit");
  clearFaults();
  button.disabled = true;
  try {
    const placed = await post("/orders", order());
    clientOrderId = null;
    say("done", `order ${placed.order_id} ${placed.duplicate ? "was there already" : "submitted"}`);
    market.reports.value += 1;
  } catch (problem) {
    showFaults(problem);
  } finally {
    button.disabled = false;
  }
}

function clearFaults() {
  for (const name of FIELDS) {
    write(byId(`error-${name}`), "");
    fields[name].removeAttribute("aria-invalid");
  }
  say("", "");
}

function showFaults(problem) {
  const elsewhere = [];
  for (const { pointer, detail } of problem.errors) {
    const name = pointer.replace(/^\//, "");
    if (!FIELDS.includes(name)) {
      elsewhere.push(`${format.words(name)} ${detail}`.trim());
      continue;
    }
    write(byId(`error-${name}`), detail);
    fields[name].setAttribute("aria-invalid", "true");
  }
  const first = FIELDS.find((name) => fields[name].hasAttribute("aria-invalid"));
  if (first) fields[first].focus();
  if (problem.unknownOutcome) say("failed", `${problem.message}; sent again, it is the same order`);
  else if (elsewhere.length > 0) say("failed", elsewhere.join("; "));
  else if (!first) say("failed", problem.message);
  if (!problem.unknownOutcome) clientOrderId = null;
}

function say(kind, text) {
  const node = byId("order-outcome");
  setClass(node, "failed", kind === "failed");
  setClass(node, "done", kind === "done");
  write(node, text);
}
