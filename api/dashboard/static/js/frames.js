// Paints once per animation frame, however often something changes in between, and never in a hidden tab.

const waiting = new Set();
let asked = false;

function paint() {
  asked = false;
  const painters = [...waiting];
  waiting.clear();
  for (const painter of painters) painter();
}

export function soon(painter) {
  waiting.add(painter);
  if (asked) return;
  asked = true;
  requestAnimationFrame(paint);
}

// Paint now, and in the next frame after any of the signals has changed.
export function paintOn(signals, painter) {
  for (const signal of signals) signal.listen(() => soon(painter));
  soon(painter);
}
