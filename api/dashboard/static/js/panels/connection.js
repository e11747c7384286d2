// Whether the page is connected, and how old is what it shows.

import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import { age } from "../format.js";
import { Signal } from "../signal.js";

const EVERY_MS = 500;

export function connection(stream) {
  const pill = byId("connection");
  const now = new Signal(0);
  setInterval(() => (now.value = performance.now()), EVERY_MS);

  paintOn([stream.state, now], () => {
    const state = stream.state.value;
    pill.dataset.state = state;
    document.body.dataset.connection = state;
    write(byId("connection-state"), state);
    const elapsedMs = state === "live" ? stream.changeMs() : stream.silenceMs();
    write(byId("connection-age"), elapsedMs === null ? "" : `data ${age(elapsedMs)} old`);
    write(byId("clock"), new Date().toISOString().slice(11, 19));
  });
}
