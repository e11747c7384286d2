// What a reload keeps: the key as long as the tab lives, what was chosen as long as the browser likes.

import { Signal } from "./signal.js";

const KEY = "exchange.key";
const CHOSEN = "exchange.";

function remembered(storage, name) {
  try {
    return storage.getItem(name);
  } catch {
    return null; // storage is forbidden here: the page works, and forgets
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

// The key never stands in an address, where logs and histories would keep it.
export const key = new Signal(remembered(sessionStorage, KEY));
key.listen((value) => remember(sessionStorage, KEY, value));

// {client_id, role, read_only} of the key, or null.
export const identity = new Signal(null);

export const security = kept("security", null);
// A link may name the security, as in /?security=AAPL, and the address always names the one that is shown.
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
