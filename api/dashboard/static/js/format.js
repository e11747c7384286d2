// Numbers and times for people; times are UTC, or local if the visitor chooses so.

import { zone } from "./session.js";

// By the number of decimals.
const fixed = [0, 1, 2].map((digits) => new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const NOTHING = "–";

export function price(value) {
  return value === null || value === undefined ? NOTHING : fixed[2].format(value);
}

export function quantity(value) {
  return value === null || value === undefined ? NOTHING : fixed[0].format(value);
}

export function brief(value) {
  return short.format(value);
}

// A change with its sign, which says the same as the colour.
export function signed(value, digits = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const text = fixed[digits].format(Math.abs(value));
  if (Number(text) === 0) return text;
  return `${value > 0 ? "+" : "−"}${text}`;
}

export function percent(fraction, digits = 2) {
  return fraction === null || fraction === undefined ? NOTHING : `${signed(fraction * 100, digits)} %`;
}

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return NOTHING;
  return perSecond < 10 ? perSecond.toFixed(1) : fixed[0].format(perSecond);
}

export function milliseconds(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 1_000 ? `${fixed[0].format(value)} ms` : `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
}

// The offset of the shown time from UTC at a moment [ms].
export function offsetMs(timeMs) {
  return zone.value === "local" ? -60_000 * new Date(timeMs).getTimezoneOffset() : 0;
}

// hh:mm:ss, of a time of the exchange or of milliseconds since 1970.
export function clock(time) {
  return shown(time).slice(11, 19) || NOTHING;
}

export function exactClock(time) {
  return shown(time).slice(11, 23) || NOTHING;
}

export function zoneName() {
  return zone.value === "local" ? "local time" : "UTC";
}

function shown(time) {
  if (time === null || time === undefined) return "";
  const timeMs = typeof time === "number" ? time : Date.parse(time);
  return new Date(timeMs + offsetMs(timeMs)).toISOString();
}

export function age(elapsedMs) {
  if (elapsedMs === null) return "never";
  const seconds = elapsedMs / 1000;
  if (seconds < 1) return "< 1 s";
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

// A name of the api in words for people.
export function words(code) {
  return code ? code.replaceAll("_", " ") : "";
}
