// What a panel without content says: that it waits, that there is nothing, or that what it shows is unavailable and
// why. None of these ever stands in place of another.

import { write } from "./elements.js";

// lack: null where the content is known, "waiting", or why it is unavailable; see `Stream.lack`.
export function absence(lack, { what, nothing }) {
  if (lack === null) return nothing;
  return lack === "waiting" ? `Waiting for ${what}.` : `Unavailable: ${what}, as ${lack}.`;
}

// Show or hide it.
export function writeAbsence(node, isEmpty, lack, texts) {
  node.hidden = !isEmpty;
  node.dataset.state = lack === null ? "empty" : lack === "waiting" ? "waiting" : "unavailable";
  if (isEmpty) write(node, absence(lack, texts));
}

// Of what is asked for by requests: nothing was answered yet, or the problem of the last request.
export function lackOf(content, problem) {
  if (content !== null) return null;
  return problem === "" ? "waiting" : problem;
}
