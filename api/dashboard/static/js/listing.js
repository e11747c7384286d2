// The listed securities and their rules: ticks, fees, reference prices.

import { get, repeatedly } from "./rest.js";
import { Signal } from "./signal.js";

const EVERY_MS = 15_000;
// A security that the stream knows is in the listing of every api process a moment later.
const SOON_MS = 600;
const MOST_LOOKS = 5;

// The rows of GET /securities; null before the first answer.
export const listed = new Signal(null);
// The reason why the last request failed; empty when it succeeded.
export const listingProblem = new Signal("");

export function keepListing(market) {
  repeatedly(EVERY_MS, read);
  lookForNew(market);
}

async function read() {
  try {
    listed.value = (await get("/securities")).data;
    listingProblem.value = "";
  } catch (problem) {
    listingProblem.value = problem.message;
  }
}

// The stream begins to send the phase of a security as soon as it is listed.
function lookForNew(market) {
  const looks = new Map();
  let waiting = false;
  const look = () => {
    if (waiting || listed.value === null) return;
    const unknown = [...market.phases.value.keys()].filter((id) => listingOf(id) === null);
    const fresh = unknown.filter((id) => (looks.get(id) ?? 0) < MOST_LOOKS);
    if (fresh.length === 0) return;
    for (const id of fresh) looks.set(id, (looks.get(id) ?? 0) + 1);
    waiting = true;
    setTimeout(async () => {
      await read();
      waiting = false;
      look();
    }, SOON_MS);
  };
  market.phases.listen(look);
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
