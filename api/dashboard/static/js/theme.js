// Light, dark or the theme of the system. The page waits for this module, so that it never appears in the wrong theme.

import { Signal } from "./signal.js";
import { theme } from "./session.js";

export const THEMES = ["system", "light", "dark"];

const dark = matchMedia("(prefers-color-scheme: dark)");

function apply() {
  const chosen = THEMES.includes(theme.value) ? theme.value : "system";
  const wanted = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  document.documentElement.dataset.theme = wanted;
  shown.value = wanted;
}

// The shown theme: light or dark.
export const shown = new Signal("light");
theme.listen(apply);
dark.addEventListener("change", apply);
apply();

// A colour of the theme, for drawing on a canvas.
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
