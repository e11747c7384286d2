// What the account of the key has: cash, shares of the chosen security, and what all of it is worth.

import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { get, path, whenAsked } from "../rest.js";
import { identity, isClient, security } from "../session.js";
import { Signal } from "../signal.js";

const EVERY_MS = 1_000;

export function account(market) {
  const found = new Signal(null);
  const refresh = whenAsked(EVERY_MS, async () => {
    if (!isClient()) {
      found.value = null;
      return;
    }
    try {
      found.value = await get(path`/accounts/${identity.value.client_id}`);
    } catch {
      // The bar shows that the exchange is away; the next report asks again.
    }
  });
  market.reports.listen(refresh);
  identity.listen(refresh);

  paintOn([found, security], () => {
    const { balance, available, equity, holdings = [] } = found.value ?? {};
    const holding = holdings.find((one) => one.security_id === security.value);
    write(byId("account-balance"), format.price(balance));
    write(byId("account-available"), format.price(available));
    write(byId("account-equity"), format.price(equity));
    write(byId("account-security"), security.value ?? "shares");
    write(byId("account-shares"), found.value ? format.quantity(holding?.shares ?? 0) : format.NOTHING);
  });
}
