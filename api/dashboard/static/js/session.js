// The state that survives a reload: the key while the tab is open, the choices for as long as the browser stores them.

import { Signal } from "./signal.js";

const KEY = "exchange.key";
const CHOSEN = "exchange.";

function remembered(storage, name) {
  try {
    return storage.getItem(name);
  } catch {
    return null; // the browser forbids storage: the page works, but keeps nothing
  }
}

function remember(storage, name, value) {
  try {
    if (value === null) storage.removeItem(name);
    else storage.setItem(name, value);
  } catch {
    // As above.
  }
}

function kept(name, fallback) {
  const signal = new Signal(remembered(localStorage, CHOSEN + name) ?? fallback);
  signal.listen((value) => remember(localStorage, CHOSEN + name, value));
  return signal;
}

// The key is never part of an address, because logs and histories would keep it.
export const key = new Signal(remembered(sessionStorage, KEY));
key.listen((value) => remember(sessionStorage, KEY, value));

// {client_id, role, read_only} of the key, or null.
export const identity = new Signal(null);

export const security = kept("security", null);
// A link may name a security, as in /?security=AAPL, and the address always names the one that is shown.
const linked = new URLSearchParams(location.search).get("security");
if (linked) security.value = linked.toUpperCase();
security.listen((value) => {
  const address = new URL(location);
  if (value === null) address.searchParams.delete("security");
  else address.searchParams.set("security", value);
  history.replaceState(null, "", address);
});

export const interval = kept("interval", "1s");
export const theme = kept("theme", "system");
// utc or local.
export const zone = kept("zone", "utc");
// open, fills or history.
export const ordersShown = kept("orders", "open");

export function isClient() {
  return identity.value !== null && identity.value.role === "client";
}

export function mayTrade() {
  return isClient() && !identity.value.read_only;
}
