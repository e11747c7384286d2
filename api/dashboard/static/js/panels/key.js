// The panel where a visitor enters the key of an account, or removes it.

import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import { get } from "../rest.js";
import { identity, key, mayTrade } from "../session.js";

const KEY = /^[A-Za-z0-9_-]{1,128}$/;

export function keyForm() {
  byId("key-form").addEventListener("submit", useKey);
  byId("key-forget").addEventListener("click", () => (key.value = null));
  paintOn([identity, key], showOwner);
}

async function useKey(event) {
  event.preventDefault();
  const field = byId("key");
  const entered = field.value.trim();
  const fault = byId("key-error");
  write(fault, "");
  field.removeAttribute("aria-invalid");
  try {
    if (!KEY.test(entered)) throw new Error("this is not a key: keys consist of letters, digits, - and _");
    const found = await get("/whoami", entered);
    key.value = entered;
    identity.value = found;
    field.value = "";
    byId("ticket").focus();
  } catch (problem) {
    field.setAttribute("aria-invalid", "true");
    write(fault, problem.status === 401 ? "the exchange does not know this key" : problem.message);
  }
}

function showOwner() {
  const found = identity.value;
  byId("key-form").hidden = found !== null || key.value !== null;
  byId("ticket-who").hidden = found === null;
  byId("order-fields").disabled = !mayTrade();
  byId("order-form").hidden = found !== null && !mayTrade();
  byId("ticket-hint").hidden = found === null || mayTrade();
  if (found === null) return;
  write(byId("ticket-owner"), found.client_id ?? "the admin");
  const hint = found.role === "admin" ? "The admin has no account: use the key of a client to trade." : "This key may only read.";
  write(byId("ticket-hint"), hint);
}
