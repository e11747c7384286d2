// The listed securities and their rules: ticks, fees, reference prices.

import { get, repeatedly } from "./rest.js";
import { Signal } from "./signal.js";

const EVERY_MS = 15_000;

// The rows of GET /securities; null before the first answer.
export const listed = new Signal(null);
// The reason why the last request failed; empty when it succeeded.
export const listingProblem = new Signal("");

export function keepListing() {
  repeatedly(EVERY_MS, async () => {
    try {
      listed.value = (await get("/securities")).data;
      listingProblem.value = "";
    } catch (problem) {
      listingProblem.value = problem.message;
    }
  });
}

export function listingOf(securityId) {
  return listed.value?.find((one) => one.security_id === securityId) ?? null;
}

// The terms of a security that order_value.js needs.
export function termsOf(market, securityId) {
  const row = listingOf(securityId);
  const last = market.prices.value.get(securityId)?.last ?? row?.reference_price ?? null;
  return { last, feeBp: Math.max(row?.maker_fee ?? 0, row?.taker_fee ?? 0) };
}

export function tickOf(securityId) {
  return listingOf(securityId)?.tick ?? 0.01;
}
