// The data of the key's account: its cash and shares, its orders and its fills. All of it is null before the first
// answer, and bounded.

import { listed, listingOf } from "./listing.js";
import { get, path, whenAsked } from "./rest.js";
import { identity, isClient, ordersShown, security } from "./session.js";
import { Signal } from "./signal.js";

const ACCOUNT_MS = 1_000;
const ORDERS_MS = 500;
// A report may come before the clearinghouse has committed what it reports: ask again this long after the last report.
const AGAIN_MS = [1_500, 6_000];
const MOST_OPEN = 200;
const MOST_CLOSED = 100;
// Fills of the chosen security: enough to calculate the cost of its shares; newer ones are fetched as they come.
const MOST_FILLS = 1_000;
const NEW_FILLS = 50;
// Fills of a round in a replay, which do not change.
const MOST_REPLAYED = 20_000;

export const account = new Signal(null);
export const openOrders = new Signal(null);
export const history = new Signal(null);
// Of the chosen security, newest first; {securityId, rows}.
export const fills = new Signal(null);
// The reason why the last request failed; empty when it succeeded.
export const ownProblem = new Signal("");

// Ask again now, for example after sending an order.
export let refreshOrders = () => {};

export function keepOwn(market) {
  const ofAccount = whenAsked(ACCOUNT_MS, () => answered(loadAccount));
  const ofOrders = whenAsked(ORDERS_MS, () => answered(loadOrders));
  const ofFills = whenAsked(ACCOUNT_MS, () => answered(loadFills));
  refreshOrders = ofOrders;
  const askAll = () => [ofAccount, ofOrders, ofFills].forEach((ask) => ask());
  identity.listen(askAll);
  const timers = [];
  market.reports.listen(() => {
    askAll();
    AGAIN_MS.forEach((after, n) => {
      clearTimeout(timers[n]);
      timers[n] = setTimeout(askAll, after);
    });
  });
  ordersShown.listen(ofOrders);
  listed.listen(() => fills.value === null && ofFills());
  security.listen(() => {
    fills.value = null;
    ofFills();
  });
}

async function answered(load) {
  if (!isClient()) {
    account.value = openOrders.value = history.value = fills.value = null;
    ownProblem.value = "";
    return;
  }
  const asked = identity.value;
  try {
    const found = await load();
    if (identity.value === asked) found();
    ownProblem.value = "";
  } catch (problem) {
    ownProblem.value = problem.message;
  }
}

async function loadAccount() {
  const found = await get(path`/accounts/${identity.value.client_id}`);
  return () => (account.value = found);
}

async function loadOrders() {
  const found = (await get(`/orders?status=open&limit=${MOST_OPEN}`)).data;
  const all = ordersShown.value === "history" ? (await get(`/orders?status=all&limit=${MOST_CLOSED}`)).data : null;
  return () => {
    if (all !== null) history.value = all;
    openOrders.value = found;
  };
}

async function loadFills() {
  const securityId = security.value;
  // Until the listing is there, the page may show no security or a wrong one; a replay shows one that is not listed.
  const isListed = listingOf(securityId) !== null || document.body.dataset.replay;
  if (securityId === null || !isListed) return () => {};
  if (document.body.dataset.replay) return loadReplayed(securityId);
  const page = async (limit) => (await get(path`/fills?security_id=${securityId}` + `&limit=${limit}`)).data;
  const known = fills.value?.securityId === securityId ? fills.value.rows : [];
  let found = await page(known.length > 0 ? NEW_FILLS : MOST_FILLS);
  const isKnown = new Set(known.map(nameOf));
  let fresh = found.filter((fill) => !isKnown.has(nameOf(fill)));
  if (known.length > 0 && fresh.length === found.length && found.length === NEW_FILLS) {
    found = fresh = await page(MOST_FILLS); // there are more new fills than a page holds
    known.length = 0;
  }
  const rows = [...fresh, ...known].slice(0, MOST_FILLS);
  return () => {
    if (securityId === security.value) fills.value = { securityId, rows };
  };
}

async function loadReplayed(securityId) {
  const rows = [];
  let cursor = null;
  do {
    const after = cursor === null ? "" : `&cursor=${cursor}`;
    const page = await get(path`/fills?security_id=${securityId}` + `&limit=${MOST_FILLS}${after}`);
    rows.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null && rows.length < MOST_REPLAYED);
  return () => {
    if (securityId === security.value) fills.value = { securityId, rows };
  };
}

function nameOf(fill) {
  return `${fill.trade_id} ${fill.side}`;
}
