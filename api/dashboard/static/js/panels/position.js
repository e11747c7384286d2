// The holdings of the key's account: cash, and the shares of the chosen security, their cost and the gain from them.

import { lackOf } from "../absence.js";
import { byId, setClass, write, writeGain } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { listed, listingOf } from "../listing.js";
import { account, fills, ownProblem } from "../own.js";
import { buyInPrice, positionOf } from "../position.js";
import { identity, isClient, security } from "../session.js";

// A buy-in this near to the last price is shown in the colour of a loss.
const NEAR = 1.1;

export function position(market) {
  paintOn([account, fills, ownProblem, security, market.prices, market.leaderboard, listed, identity], () => {
    byId("position").hidden = !isClient();
    if (!isClient()) return;
    const id = security.value;
    const { balance, equity, holdings = [] } = account.value ?? {};
    const lack = lackOf(account.value, ownProblem.value);
    write(byId("position-lack"), lack === null ? "" : lack === "waiting" ? "waiting" : "unavailable");
    byId("position-lack").title = lack ?? "";
    write(byId("position-security"), id ?? "");
    write(byId("account-balance"), format.price(balance));
    write(byId("account-equity"), format.price(equity));
    const shares = holdings.find((one) => one.security_id === id)?.shares ?? 0;
    write(byId("account-shares"), account.value ? format.quantity(shares) : format.NOTHING);
    writePosition(found(market, id, shares - (account.value?.borrowed[id] ?? 0)));
    writeDebt(market, id);
    writeStanding(market.leaderboard.value?.find((one) => one.client_id === identity.value.client_id));
  });
}

function found(market, id, shares) {
  if (account.value === null || fills.value?.securityId !== id) return null;
  const reference = listingOf(id)?.reference_price ?? null;
  return positionOf(fills.value.rows, { shares, last: lastOf(market, id), reference });
}

function lastOf(market, id) {
  return market.prices.value.get(id)?.last ?? listingOf(id)?.reference_price ?? null;
}

// Shown to accounts that may sell short: what they owe, and how far the price may rise before they are bought in.
function writeDebt(market, id) {
  const { borrowed = {}, collateral, limits } = account.value ?? {};
  const hidden = !limits?.short_limit && Object.keys(borrowed).length === 0;
  for (const node of document.querySelectorAll("#position .debt")) node.hidden = hidden;
  if (hidden) return;
  write(byId("position-owed"), format.quantity(borrowed[id] ?? 0));
  write(byId("position-collateral"), format.price(collateral));
  const price = buyInPrice(account.value, id, (other) => lastOf(market, other));
  const last = lastOf(market, id);
  write(byId("position-buy-in"), price === null || !last ? format.NOTHING : `${format.price(price)} (${format.percent(price / last - 1, 1)})`);
  setClass(byId("position-buy-in"), "down", price !== null && last !== null && price < last * NEAR);
}

function writePosition(one) {
  write(byId("position-average"), format.price(one?.average));
  byId("position-average").title = one?.given ? `${format.quantity(one.given)} shares that you were given count at the reference price` : "";
  writeGain(byId("position-unrealised"), format.signed(one?.unrealised));
  writeGain(byId("position-realised"), format.signed(one?.realised));
}

// The account compared with one that only kept its original cash and shares.
function writeStanding(standing) {
  writeGain(byId("position-return"), format.percent(standing?.return));
  writeGain(byId("position-versus"), format.percent(standing?.versus_holding));
}
