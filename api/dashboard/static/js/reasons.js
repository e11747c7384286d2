// The exchange's reasons in words that follow "rejected: " or "cancelled: ".

import * as format from "./format.js";

const WORDS = {
  insufficient_funds: "not enough cash",
  insufficient_holdings: "not enough shares",
  no_reference_price: "there is no price yet to derive the limit of a market order from",
  unknown_security: "the security is not listed",
  unknown_order: "there is no such open order",
  too_many_open_orders: "the account has reached its limit of open orders",
  halted: "the security is halted, so only cancels are accepted",
  closed: "the market is closed",
  settled: "the security is settled",
  unfilled: "no further orders to trade with at this price",
  would_cross: "it would have traded at once, and it is post only",
  self_trade: "it would have traded with another order of yours",
  cancelled: "at your request",
  replaced: "replaced",
  triggered: "its stop price was reached",
  expired: "it expired",
  out_of_range: "a quantity or a price is out of range",
  invalid_terms: "its terms contradict each other",
  duplicate_order: "an order with this number already exists",
  wrong_side: "the order is on the other side",
  too_many_events: "its stop was triggered in too long a chain of stops",
  quantity_too_large: "its quantity is above the limit of this account",
  notional_too_large: "its value is above the limit of this account",
  position_limit: "the holding would exceed the position limit of this account",
  client_stopped: "the account is stopped and may only cancel orders",
  account_closed: "the account is closed",
  short_limit: "the account would owe more shares than its limit allows",
  nothing_to_borrow: "no shares are left to borrow",
  insufficient_margin: "not enough cash is available for the margin",
  buy_in: "the clearinghouse bought the account in",
};

export function reasonWords(reason) {
  return WORDS[reason] ?? format.words(reason);
}

// The reason with both figures where something is short: "needs 99,000.00; 8,998.00 available".
export function reasonOf({ reason, detail = null }) {
  if (detail === null) return reasonWords(reason);
  return reason === "insufficient_funds" || reason === "insufficient_holdings" ? detail : `${reasonWords(reason)}: ${detail}`;
}
