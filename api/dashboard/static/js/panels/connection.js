// The connections of the page to the streams and to the api, and the age of its data.

import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import { age, clock, zoneName } from "../format.js";
import { get, reachable, repeatedly } from "../rest.js";
import { zone } from "../session.js";
import { Signal } from "../signal.js";

const EVERY_MS = 500;
const ASK_MS = 5_000;

export function connection(market, stream) {
  const pill = byId("connection");
  const now = new Signal(0);
  setInterval(() => (now.value = performance.now()), EVERY_MS);
  // Prices may continue while no order can be sent; only a request to the api can show that.
  repeatedly(ASK_MS, () => get("/health/live").catch(() => {}));
  const select = byId("zone");
  select.value = zone.value;
  select.addEventListener("change", () => (zone.value = select.value));

  paintOn([stream.state, reachable, now, zone], () => {
    const state = stream.state.value === "live" && !reachable.value ? "api down" : stream.state.value;
    pill.dataset.state = state;
    pill.title = state === "api down" ? "The streams continue, but the api does not answer: no order can be sent." : "";
    document.body.dataset.connection = state;
    write(byId("connection-state"), state);
    const elapsedMs = stream.state.value === "live" ? stream.changeMs() : stream.silenceMs();
    write(byId("connection-age"), elapsedMs === null ? "" : `data ${age(elapsedMs)} old`);
    write(byId("clock"), clock(market.time.value ?? Date.now()));
    select.title = `times are ${zoneName()}`;
  });
}
