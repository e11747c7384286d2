// The fields of the ticket: those that a type of order has, and the order that they make.

const TIMES = {
  limit: ["gtc", "ioc", "fok", "day", "gtd", "auction"],
  market: ["ioc", "auction"],
  stop: ["ioc", "day", "gtd"],
  stop_limit: ["gtc", "ioc", "fok", "day", "gtd"],
};
const RESTS = new Set(["gtc", "day", "gtd"]);

// Which fields an order may have.
export function takes(type, time) {
  const limit = type === "limit" || type === "stop_limit";
  return {
    times: TIMES[type],
    price: limit,
    stop_price: type.startsWith("stop"),
    post_only: limit && RESTS.has(time),
    display_quantity: type === "limit" && RESTS.has(time),
    expires_at: time === "gtd",
  };
}

// The body of POST /orders. Text that is not a number is sent as typed: the exchange says what is wrong with it.
export function orderOf(fields, securityId, clientOrderId) {
  const type = fields.type.value;
  const allowed = takes(type, fields.time_in_force.value);
  const display = fields.display_quantity.value.trim();
  return {
    type,
    security_id: securityId,
    side: fields.side.value,
    quantity: integer(fields.quantity.value),
    ...(allowed.price && { price: fields.price.value.trim() }),
    ...(allowed.stop_price && { stop_price: fields.stop_price.value.trim() }),
    time_in_force: fields.time_in_force.value,
    ...(allowed.expires_at && { expires_at: instant(fields.expires_at.value) }),
    ...(allowed.post_only && { post_only: fields.post_only.checked }),
    ...(allowed.display_quantity && display !== "" && { display_quantity: integer(display) }),
    client_order_id: clientOrderId,
  };
}

// The order as far as its fields contain numbers, to calculate its value.
export function draftOf(fields, securityId) {
  const order = orderOf(fields, securityId, null);
  const number = (value) => (value === undefined ? null : Number(value) || null);
  return { ...order, quantity: number(order.quantity) ?? 0, price: number(order.price), stop_price: number(order.stop_price) };
}

function integer(text) {
  return /^\d{1,15}$/.test(text.trim()) ? Number(text) : text.trim();
}

// The browser's field contains a local time without a zone.
function instant(text) {
  const time = new Date(text);
  return Number.isNaN(time.valueOf()) ? text : time.toISOString();
}
