// The order ticket. The fault of a field appears next to the field, and an unusual price has to be confirmed.

import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { listed, termsOf, tickOf } from "../listing.js";
import { draftOf, orderOf, takes } from "../order_form.js";
import { distance, heldFor, mostShares, stepped, worstPrice } from "../order_value.js";
import { account } from "../own.js";
import { post } from "../rest.js";
import { identity, mayTrade, security } from "../session.js";
import { follow, say } from "./outcome.js";

const FIELDS = ["quantity", "price", "stop_price", "display_quantity", "time_in_force", "expires_at", "post_only"];
// A price further than this from the best one has to be confirmed [fraction].
const USUAL = 0.05;
const FAST = 10;

const form = byId("order-form");
const fields = form.elements;

// The client order id of the order being sent, kept until the outcome is known, so that a resend is the same order.
let clientOrderId = null;
// Whether the ticket has asked to confirm its unusual price.
let asked = false;
// The security whose price is on the ticket.
let priced = null;

export function ticket(market) {
  form.addEventListener("submit", (event) => submit(event, market));
  form.addEventListener("input", () => changed(market));
  for (const side of ["bid", "ask", "last"]) {
    byId(`take-${side}`).addEventListener("click", () => takePrice(market.prices.value.get(security.value)?.[side]));
  }
  byId("take-most").addEventListener("click", () => takeMost(market));
  for (const name of ["price", "stop_price"]) fields[name].addEventListener("keydown", (event) => step(event, tickOf(security.value)));
  for (const name of ["quantity", "display_quantity"]) fields[name].addEventListener("keydown", (event) => step(event, null));
  paintOn([security, identity, account, listed], () => describe(market));
  paintOn([market.prices, security], () => showPrices(market));
}

function changed(market) {
  clientOrderId = null;
  asked = false;
  describe(market);
}

function showPrices(market) {
  const prices = market.prices.value.get(security.value) ?? {};
  for (const side of ["bid", "last", "ask"]) {
    const button = byId(`take-${side}`);
    write(button, `${side} ${format.price(prices[side])}`);
    button.disabled = !prices[side] || fields.price.disabled;
  }
  followSecurity(prices);
  showValue(market);
}

// The price of another security does not apply to this one: the ticket begins with the best price of this one.
function followSecurity(prices) {
  if (priced === security.value) return;
  const best = fields.side.value === "buy" ? prices.ask ?? prices.last ?? prices.bid : prices.bid ?? prices.last ?? prices.ask;
  if (priced !== null || fields.price.value === "") fields.price.value = best ? best.toFixed(2) : "";
  if (priced !== null) fields.stop_price.value = "";
  if (!best && priced === null) return;
  priced = security.value;
  clearFaults();
  form.dispatchEvent(new Event("input"));
}

// Write a price into the ticket, if the type of order has one.
export function takePrice(price) {
  if (!price || !mayTrade() || fields.price.disabled) return;
  fields.price.value = price.toFixed(2);
  form.dispatchEvent(new Event("input"));
  fields.price.focus();
}

function takeMost(market) {
  if (account.value === null) return;
  fields.quantity.value = String(mostShares(draftOf(fields, security.value), termsOf(market, security.value), account.value));
  form.dispatchEvent(new Event("input"));
  fields.quantity.focus();
}

// Arrow keys change a value by a tick or a share, and with shift by ten.
function step(event, tick) {
  const ticks = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!ticks) return;
  event.preventDefault();
  const { target } = event;
  const many = ticks * (event.shiftKey ? FAST : 1);
  const value = Number(target.value) || 0;
  target.value = tick === null ? String(Math.max(Math.trunc(value) + many, 1)) : stepped(value, many, tick).toFixed(2);
  form.dispatchEvent(new Event("input"));
}

// The button says what pressing it does.
function describe(market) {
  const type = fields.type.value;
  offer(fields.time_in_force, takes(type).times);
  const allowed = takes(type, fields.time_in_force.value);
  form.dataset.side = fields.side.value;
  for (const name of ["price", "stop_price", "post_only", "display_quantity"]) fields[name].disabled = !allowed[name];
  byId("field-expires_at").hidden = !allowed.expires_at;
  fields.price.placeholder = allowed.price ? "" : "market";
  const verb = fields.side.value === "buy" ? "Buy" : "Sell";
  const price = allowed.price ? fields.price.value.trim() || "…" : "market";
  write(byId("order-submit"), `${asked ? "Confirm: " : ""}${verb} ${fields.quantity.value.trim() || "…"} ${security.value ?? ""} @ ${price}`);
  showPrices(market);
}

// Offer only the times in force of this type; the chosen one stays if it is among them.
function offer(select, times) {
  for (const option of select.options) option.hidden = option.disabled = !times.includes(option.value);
  if (!times.includes(select.value)) select.value = times[0];
}

function showValue(market) {
  const order = draftOf(fields, security.value);
  const terms = termsOf(market, security.value);
  const price = worstPrice(order, terms);
  const value = price === null ? null : order.side === "buy" ? heldFor(order, terms) : order.quantity * price;
  const about = order.price ? "" : order.side === "buy" ? "at most " : "at least ";
  write(byId("order-value"), value === null ? format.NOTHING : `${about}${format.price(value)}`);
  write(byId("account-available"), format.price(account.value?.available));
  byId("take-most").disabled = account.value === null;
}

// Whether the price is so far from the best one that it may be a mistake; a second press sends the order.
function unusual(market) {
  const order = draftOf(fields, security.value);
  const price = order.price ?? order.stop_price;
  const found = distance(price, order.side, market.prices.value.get(security.value) ?? {});
  if (found === null || Math.abs(found.fraction) <= USUAL) return null;
  const percent = `${(Math.abs(found.fraction) * 100).toFixed(1)} % ${found.fraction > 0 ? "above" : "below"}`;
  return `${format.price(price)} is ${percent} the best price, ${format.price(found.best)}`;
}

async function submit(event, market) {
  event.preventDefault();
  const button = byId("order-submit");
  const question = asked ? null : unusual(market);
  clearFaults();
  if (question !== null) {
    asked = true;
    say("asked", "?", `${question}: press again to confirm`);
    describe(market);
    return;
  }
  clientOrderId ??= `page-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`;
  button.disabled = true;
  try {
    const order = orderOf(fields, security.value, clientOrderId);
    const placed = await post("/orders", order);
    clientOrderId = null;
    follow(order.security_id, placed.order_id);
    market.reports.value += 1;
  } catch (problem) {
    showFaults(problem);
  } finally {
    asked = false;
    button.disabled = false;
    describe(market);
  }
}

function clearFaults() {
  for (const name of FIELDS) {
    write(byId(`error-${name}`), "");
    fields[name].removeAttribute("aria-invalid");
  }
  say("", "", "");
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
  if (problem.unknownOutcome) say("failed", "✕", `${problem.message}: sending it again cannot place it twice`);
  else if (elsewhere.length > 0) say("failed", "✕", elsewhere.join("; "));
  else if (!first) say("failed", "✕", problem.message);
  if (!problem.unknownOutcome) clientOrderId = null;
}
