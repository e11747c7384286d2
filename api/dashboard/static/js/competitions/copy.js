// Buttons that copy the text of a field or of a piece of code.

import { byId } from "../elements.js";

export function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = byId(button.dataset.copy);
      const label = button.textContent;
      try {
        await navigator.clipboard.writeText(source.value ?? source.textContent);
        button.textContent = "Copied";
      } catch {
        // The page may not use the clipboard, for example without TLS: people copy the selected text themselves.
        select(source);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = label), 1_500);
    });
  }
}

function select(source) {
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
}
