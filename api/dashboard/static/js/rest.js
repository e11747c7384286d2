// Requests to the api. A refusal becomes a Problem (RFC 9457), and so does an unreachable network.

import { key } from "./session.js";
import { Signal } from "./signal.js";

// Whether the last request was answered: the stream may be alive while the api is not.
export const reachable = new Signal(true);

export class Problem extends Error {
  constructor(content) {
    super(content.detail);
    this.status = content.status;
    this.code = content.code;
    this.errors = content.errors ?? [];
    // Whether the request may have taken effect all the same.
    this.unknownOutcome = content.status >= 500 && content.code !== "not_accepted";
  }
}

// The time between two requests while the api is away.
const AWAY_MS = 2_000;
const AWAY = { status: 503, code: "away", detail: "the exchange cannot be reached" };
const NO_PROBLEM = { code: "unreadable", detail: "the exchange gave an answer that cannot be read" };

// How far the exchange's clock is ahead of this computer's [ms]. The field `Date` has whole seconds, so it gives bounds.
let aheadMs = 0;

export function exchangeMs() {
  return Date.now() + aheadMs;
}

function compareClocks(date, askedMs) {
  const stampedMs = Date.parse(date);
  if (Number.isNaN(stampedMs)) return;
  aheadMs = Math.min(Math.max(aheadMs, stampedMs - Date.now()), stampedMs + 1_000 - askedMs);
}

async function ask(method, path, body, withKey = key.value) {
  const headers = {};
  if (withKey) headers.Authorization = `Bearer ${withKey}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const askedMs = Date.now();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    reachable.value = true;
    compareClocks(answer.headers.get("Date"), askedMs);
  } catch {
    reachable.value = false;
    throw new Problem(AWAY);
  }
  let content;
  try {
    content = await answer.json();
  } catch {
    throw new Problem({ ...NO_PROBLEM, status: answer.ok ? 502 : answer.status });
  }
  if (!answer.ok) throw new Problem(content);
  return content;
}

export const get = (path, withKey) => ask("GET", path, undefined, withKey);
export const post = (path, body) => ask("POST", path, body);
export const patch = (path, body) => ask("PATCH", path, body);
export const send = (method, path, body) => ask(method, path, body);
export const remove = (path) => ask("DELETE", path);

export function path(strings, ...parts) {
  return String.raw({ raw: strings }, ...parts.map((part) => encodeURIComponent(part)));
}

// Repeat a request, each time a while after the answer, so that a slow exchange gets no more requests; sooner while the
// API is away.
export function repeatedly(everyMs, request) {
  const turn = async () => {
    if (!document.hidden) await request();
    setTimeout(turn, reachable.value ? everyMs : Math.min(everyMs, AWAY_MS));
  };
  turn();
}

// Ask when something has happened: one request at a time; anything that happens during it leads to one more, later.
export function whenAsked(everyMs, request) {
  let running = false;
  let again = false;
  const turn = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    again = false;
    await request();
    setTimeout(() => {
      running = false;
      if (again) turn();
    }, everyMs);
  };
  return turn;
}
