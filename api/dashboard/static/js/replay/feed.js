// Replaces the stream of the market page: the state of a round at a moment, from the rows of its replay.

import { STEPS_S } from "../candle_rows.js";
import { KEPT_CANDLES, MOST_TRADES } from "../market.js";
import { Signal } from "../signal.js";

const NOT_REPLAYED = "a replay has only the market";
const REPLAYED = new Set(["book", "trades", "candles", "price", "phase"]);

// The step of the slider.
export const TICK_MS = 100;

export class ReplayFeed {
  // The same as in a stream, for the panels.
  state = new Signal("connecting");
  refused = new Signal(new Map());
  arrived = new Signal(new Set());
  failed = new Signal(false);

  #market;
  #rows = null;
  #beganMs = 0;
  #lengthMs = 0;
  // How many rows of each kind are in the market, and its book by side and price.
  #at = { book: 0, trades: 0, phases: 0 };
  #book = { bid: new Map(), ask: new Map() };
  #candles = new Map();
  #timeMs = -1;
  // When the trades happened [ms], by their ids.
  #moments = new Map();

  constructor(market) {
    this.#market = market;
  }

  watch() {}
  forget() {}

  lack(channel) {
    if (!REPLAYED.has(channel)) return NOT_REPLAYED;
    if (this.#rows !== null) return null;
    return this.failed.value ? "the replay cannot be read" : "waiting";
  }

  silenceMs() {
    return null;
  }

  changeMs() {
    return null;
  }

  get lengthMs() {
    return this.#lengthMs;
  }

  get timeMs() {
    return this.#timeMs;
  }

  get isLoaded() {
    return this.#rows !== null;
  }

  // The time of the round at which a fill happened [ms].
  momentOf({ trade_id: id, timestamp }) {
    return this.#moments.get(id) ?? Math.max(Date.parse(timestamp) - this.#beganMs, 0);
  }

  // The first step of the slider at which what happened at a time has happened.
  after(atMs) {
    return Math.ceil(atMs / TICK_MS) * TICK_MS;
  }

  timeOf(offsetMs) {
    return this.#beganMs + offsetMs;
  }

  // Begin with the rows of another round.
  load(rows) {
    this.#rows = rows;
    this.#beganMs = Date.parse(rows.began_at);
    this.#lengthMs = Math.max(Date.parse(rows.ended_at) - this.#beganMs, 1);
    this.#timeMs = -1;
    this.#moments = new Map(rows.trades.map((row) => [row[4], row[0]]));
    this.failed.value = false;
    this.state.value = "replay";
    this.show(0);
  }

  // Show the market at a time since the beginning. Moving forward applies what happened since; moving back begins again.
  show(timeMs) {
    if (this.#rows === null || timeMs === this.#timeMs) return;
    const again = timeMs < this.#timeMs || this.#timeMs < 0;
    if (again) this.#begin();
    this.#timeMs = timeMs;
    this.#showBook(again);
    this.#showTrades(again);
    this.#showPhase();
    this.#market.time.value = this.timeOf(timeMs);
    this.arrived.changed();
  }

  #begin() {
    this.#at = { book: 0, trades: 0, phases: 0 };
    this.#book = { bid: new Map(), ask: new Map() };
    this.#candles = new Map(Object.keys(STEPS_S).map((interval) => [interval, []]));
  }

  // The rows of a kind up to the time that are not in the market yet.
  #due(kind) {
    const rows = this.#rows[kind];
    const first = this.#at[kind];
    let end = first;
    while (end < rows.length && rows[end][0] <= this.#timeMs) end += 1;
    this.#at[kind] = end;
    return rows.slice(first, end);
  }

  #showBook(again) {
    const changed = { bid: new Map(), ask: new Map() };
    for (const [, side, price, quantity, orders] of this.#due("book")) {
      changed[side].set(price, [price, quantity, orders]);
      if (quantity > 0) this.#book[side].set(price, quantity);
      else this.#book[side].delete(price);
    }
    const data = { bids: [...changed.bid.values()], asks: [...changed.ask.values()] };
    this.#give("book", again ? "snapshot" : "update", data);
  }

  #showTrades(again) {
    const first = this.#at.trades;
    const due = this.#due("trades").map(([atMs, price, quantity, side, id], index) => ({
      trade_id: id,
      sequence: first + index + 1,
      price,
      quantity,
      aggressor_side: side,
      timestamp: new Date(this.timeOf(atMs)).toISOString(),
    }));
    this.#give("trades", again ? "snapshot" : "update", due.slice(-MOST_TRADES));
    this.#give("candles", again ? "snapshot" : "update", this.#candlesOf(due));
    const last = this.#at.trades > 0 ? this.#rows.trades[this.#at.trades - 1][1] : null;
    const best = (side, choose) => (this.#book[side].size > 0 ? choose(...this.#book[side].keys()) : null);
    this.#give("price", "update", { bid: best("bid", Math.max), ask: best("ask", Math.min), last });
  }

  // The candles that these trades change.
  #candlesOf(trades) {
    const changed = new Map();
    for (const trade of trades) {
      for (const [interval, rows] of this.#candles) {
        const candle = this.#candleOf(rows, interval, trade);
        changed.set(`${interval} ${candle.start}`, candle);
        if (rows.length > KEPT_CANDLES) rows.shift();
      }
    }
    return [...changed.values()];
  }

  #candleOf(rows, interval, { timestamp, price, quantity }) {
    const stepMs = STEPS_S[interval] * 1000;
    const start = new Date(Math.floor(Date.parse(timestamp) / stepMs) * stepMs).toISOString();
    if (rows.at(-1)?.start !== start) rows.push({ interval, start, open: price, high: price, low: price, close: price, volume: 0 });
    const candle = rows.at(-1);
    candle.high = Math.max(candle.high, price);
    candle.low = Math.min(candle.low, price);
    candle.close = price;
    candle.volume += quantity;
    // A copy: the market recognises a changed candle by its identity.
    rows[rows.length - 1] = { ...candle };
    return rows.at(-1);
  }

  #showPhase() {
    this.#due("phases");
    const phase = this.#at.phases > 0 ? this.#rows.phases[this.#at.phases - 1][1] : "closed";
    this.#give("phase", "update", { phase, phase_cause: null, phase_ends_at: null });
  }

  #give(channel, type, data) {
    this.#market.take({ channel, type, security_id: this.#rows.security_id, data });
  }
}
