// The cost of an account's shares, and the gain from them. Purchases enter at their price, sales remove shares at the
// average cost, and shares that the account was given count at the reference price.

// fills: newest first, as from GET /fills; shares: the current number of shares.
export function positionOf(fills, { shares, last, reference }) {
  const given = shares - fills.reduce((sum, fill) => sum + signedQuantity(fill), 0);
  let held = Math.max(given, 0);
  let cost = held * (reference ?? 0);
  let realised = 0;
  let fees = 0;
  for (const fill of [...fills].reverse()) {
    fees += fill.fee;
    if (fill.side === "buy") {
      held += fill.quantity;
      cost += fill.quantity * fill.price;
      continue;
    }
    const average = held > 0 ? cost / held : fill.price;
    realised += fill.quantity * (fill.price - average);
    held -= fill.quantity;
    cost = Math.max(held, 0) * average;
  }
  const average = held > 0 ? cost / held : null;
  const unrealised = average === null || !last ? null : held * (last - average);
  return { shares, average, value: last ? shares * last : null, unrealised, realised: realised - fees, given: Math.max(given, 0) };
}

function signedQuantity(fill) {
  return fill.side === "buy" ? fill.quantity : -fill.quantity;
}
