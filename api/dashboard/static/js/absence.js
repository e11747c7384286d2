// The text of a panel without content: it waits, there is nothing to show, or the content is unavailable, with the
// reason. The three are never confused.

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

// The lack of content that requests fetch: there was no answer yet, or the last request had a problem.
export function lackOf(content, problem) {
  if (content !== null) return null;
  return problem === "" ? "waiting" : problem;
}
