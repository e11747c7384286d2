// The time left until a timestamp, and how people read it; by the clock of the exchange, because the computer's may be wrong.

import { exchangeMs } from "../rest.js";

export function leftMs(timestamp) {
  return timestamp ? Math.max(Date.parse(timestamp) - exchangeMs(), 0) : null;
}

export function sinceMs(timestamp) {
  return timestamp ? Math.max(exchangeMs() - Date.parse(timestamp), 0) : null;
}

export function minutes(ms) {
  if (ms === null) return "";
  const seconds = Math.ceil(ms / 1000);
  const text = `${Math.floor(seconds / 60) % 60}`.padStart(2, "0") + ":" + `${seconds % 60}`.padStart(2, "0");
  return seconds < 3600 ? text : `${Math.floor(seconds / 3600)}:${text}`;
}
