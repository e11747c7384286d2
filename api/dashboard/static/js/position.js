// The cost of an account's shares, the gain from them, and how far it is from a buy-in. Purchases enter at their price,
// sales remove shares at the average cost, and shares that the account was given count at the reference price. Shares
// that it owes are a position below zero: sales enter at their price, purchases return shares at the average.

// The collateral and the free cash must be at least this multiple of the value of the shares that an account owes.
const REQUIREMENT = 1.25;

// fills: newest first, as from GET /fills; shares: the current number of shares, below zero for shares owed.
export function positionOf(fills, { shares, last, reference }) {
  const given = shares - fills.reduce((sum, fill) => sum + signedQuantity(fill), 0);
  let held = shares < 0 ? given : Math.max(given, 0);
  let cost = held * (reference ?? 0);
  let realised = 0;
  let fees = 0;
  for (const fill of [...fills].reverse()) {
    fees += fill.fee;
    const traded = signedQuantity(fill);
    const closed = traded * held < 0 ? Math.sign(traded) * Math.min(Math.abs(traded), Math.abs(held)) : 0;
    const average = held === 0 ? fill.price : cost / held;
    realised += -closed * (fill.price - average);
    cost += closed * average + (traded - closed) * fill.price;
    held += traded;
  }
  const average = held === 0 ? null : cost / held;
  const unrealised = average === null || !last ? null : held * (last - average);
  return { shares, average, value: last ? shares * last : null, unrealised, realised: realised - fees, given: Math.max(given, 0) };
}

// The price of a security above which the clearinghouse buys an account in, if the prices of all others stay; null when
// the account does not owe the security, or a price is unknown.
// account: as from GET /accounts/{client_id}; lastOf(securityId): the last price.
export function buyInPrice(account, securityId, lastOf) {
  const owed = account.borrowed?.[securityId] ?? 0;
  if (owed === 0) return null;
  const { balance, held, collateral } = account;
  // Purchases that return shares may hold cash of the collateral, which still secures the shares.
  const secured = balance - held >= collateral ? balance - held : Math.min(collateral, balance);
  let others = 0;
  for (const [other, shares] of Object.entries(account.borrowed)) if (other !== securityId) others += shares * (lastOf(other) ?? NaN);
  const price = (secured / REQUIREMENT - others) / owed;
  return Number.isFinite(price) ? Math.max(price, 0) : null;
}

function signedQuantity(fill) {
  return fill.side === "buy" ? fill.quantity : -fill.quantity;
}
