// The value of an order and the cash that it needs, by the rules of the exchange: a buy order holds its quantity at its
// limit, or at the collar 10 % from the last or the stop price, and the highest fee on that, rounded up to a cent.

const COLLAR = 0.1;
const BASIS_POINTS = 10_000;

const inCents = (price) => Math.round(price * 100);

// The worst price at which an order may trade; null while there is none.
// terms: {last, feeBp} of the security.
export function worstPrice(order, { last }) {
  if (order.price) return order.price;
  const from = order.stop_price || last;
  if (!from) return null;
  return inCents(from * (order.side === "buy" ? 1 + COLLAR : 1 - COLLAR)) / 100;
}

// The cash that a buy order holds; null while that is unknown.
export function heldFor(order, terms) {
  const price = worstPrice(order, terms);
  if (price === null) return null;
  const cents = order.quantity * inCents(price);
  return (cents + feeOn(cents, terms)) / 100;
}

function feeOn(cents, { feeBp }) {
  return Math.ceil((cents * Math.max(feeBp, 0)) / BASIS_POINTS);
}

// The cash that new terms of a buy order need in addition to what it holds now; null while that is unknown. Trades may
// come first, so a lower price releases nothing that a higher quantity could use.
// changed: {quantity, price}, each only if it changes.
export function heldMore(order, { quantity = order.quantity, price = order.price }, terms) {
  const filled = order.filled_quantity;
  const [before, after] = [worstPrice(order, terms), worstPrice({ ...order, price: Number(price) }, terms)];
  if (before === null || after === null) return null;
  const [low, high] = [inCents(before), inCents(after)];
  const more = Math.max((quantity - filled) * high - (order.quantity - filled) * low, (quantity - order.quantity) * high, 0);
  const most = (Math.max(quantity, order.quantity) - filled) * Math.max(low, high);
  return (more + feeOn(most, terms) - feeOn((order.quantity - filled) * low, terms)) / 100;
}

// The most shares that an account can buy or sell now.
export function mostShares(order, terms, account) {
  if (order.side === "sell") {
    return account.holdings.find((one) => one.security_id === order.security_id)?.available ?? 0;
  }
  const price = worstPrice(order, terms);
  if (!price) return 0;
  let shares = Math.floor(account.available / (price * (1 + Math.max(terms.feeBp, 0) / BASIS_POINTS)) + 1e-9);
  while (shares > 0 && heldFor({ ...order, quantity: shares }, terms) > account.available) shares -= 1;
  return shares;
}

// The distance of a price from the best one, above or below [fraction]; null without a price to compare with.
export function distance(price, side, { bid, ask, last }) {
  const best = side === "buy" ? ask ?? last ?? bid : bid ?? last ?? ask;
  return best && price ? { best, fraction: price / best - 1 } : null;
}

// The next price on the tick, above or below.
export function stepped(price, ticks, tick) {
  const step = inCents(tick);
  const cents = inCents(price);
  const onTick = ticks > 0 ? Math.floor(cents / step) * step : Math.ceil(cents / step) * step;
  return Math.max(onTick + ticks * step, step) / 100;
}
