// What the organiser's last action led to, in view wherever the page is scrolled.

import { byId, setClass, write } from "../elements.js";

const SHOWN_MS = 6_000;
let fading = null;

export function notice(text, { isFault = false } = {}) {
  clearTimeout(fading);
  write(byId("notice"), text);
  setClass(byId("notice"), "fault", isFault);
  // A fault stays until the next action.
  if (!isFault) fading = setTimeout(() => write(byId("notice"), ""), SHOWN_MS);
}

export async function attempt(request, said = "") {
  notice("");
  try {
    await request();
    notice(said);
  } catch (problem) {
    notice(faultOf(problem), { isFault: true });
  }
}

function faultOf(problem) {
  const places = (problem.errors ?? []).map((one) => `${one.pointer.replace("/", "")} ${one.detail}`);
  return places.length > 0 ? places.join("; ") : problem.message;
}
