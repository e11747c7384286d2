// The page's copy of the market. The stream fills it, the panels read it, and everything in it is bounded.

import { Signal } from "./signal.js";

export const MOST_TRADES = 200;
// Candles of an interval: cut back to the second number when there are more than the first. A chart has to begin again
// then, so this should be rare.
export const MOST_CANDLES = 900;
export const KEPT_CANDLES = 600;
// The figures of the pipeline for its curves: three minutes, one a second.
export const MOST_FIGURES = 180;

const cents = (price) => Math.round(price * 100);

function change(side, levels) {
  for (const level of levels) {
    if (level[1] > 0) side.set(cents(level[0]), level);
    else side.delete(cents(level[0]));
  }
}

export class Market {
  securityId = null;
  prices = new Signal(new Map());
  // Levels as [price, quantity, orders], by price in cents.
  book = new Signal({ bids: new Map(), asks: new Map() });
  // Newest first.
  trades = new Signal([]);
  // By interval, oldest first. `trimmed` counts how often old candles were discarded.
  candles = new Signal({ byInterval: new Map(), trimmed: 0 });
  // By security.
  phases = new Signal(new Map());
  auctions = new Signal(new Map());
  // The latest piece of news.
  news = new Signal(null);
  leaderboard = new Signal(null);
  pipeline = new Signal(null);
  figures = new Signal([]);
  // The number of times that reports came, and the latest reports.
  reports = new Signal(0);
  heard = new Signal([]);
  // The clock of the exchange, from its heartbeat [ms since 1970].
  time = new Signal(null);

  // Switch to another security, and discard all data of the previous one.
  choose(securityId) {
    this.securityId = securityId;
    this.book.value = { bids: new Map(), asks: new Map() };
    this.trades.value = [];
    this.candles.value = { byInterval: new Map(), trimmed: 0 };
  }

  // Take an event of the stream; the stream has checked its sequence.
  take(event) {
    const ofChosen = event.security_id === this.securityId;
    if (event.channel === "price") this.#takePrice(event);
    else if (event.channel === "book" && ofChosen) this.#takeBook(event);
    else if (event.channel === "trades" && ofChosen) this.#takeTrades(event);
    else if (event.channel === "candles" && ofChosen) this.#takeCandles(event);
    else if (event.channel === "phase") this.#keep(this.phases, event);
    else if (event.channel === "auction") this.#keep(this.auctions, event);
    else if (event.channel === "news") this.news.value = event.data.at(-1) ?? this.news.value;
    // A board that was never read has no timestamp, and no data yet.
    else if (event.channel === "leaderboard" && event.timestamp) this.leaderboard.value = event.data;
    else if (event.channel === "pipeline" && event.timestamp) this.#takePipeline(event);
    else if (event.channel === "report") this.#takeReports(event);
  }

  #keep(signal, event) {
    signal.value.set(event.security_id, event.data);
    signal.changed();
  }

  #takePrice(event) {
    const before = this.prices.value.get(event.security_id);
    this.prices.value.set(event.security_id, { ...event.data, move: moveOf(before, event.data.last) });
    this.prices.changed();
  }

  #takeBook(event) {
    const book = this.book.value;
    if (event.type === "snapshot") {
      book.bids.clear();
      book.asks.clear();
    }
    change(book.bids, event.data.bids);
    change(book.asks, event.data.asks);
    this.book.changed();
  }

  #takeTrades(event) {
    const trades = event.type === "snapshot" ? [] : this.trades.value;
    const known = new Set(trades.map((trade) => trade.sequence));
    const added = event.data.filter((trade) => !known.has(trade.sequence));
    this.trades.value = [...added, ...trades].sort((a, b) => b.sequence - a.sequence).slice(0, MOST_TRADES);
  }

  #takeCandles(event) {
    const candles = this.candles.value;
    if (event.type === "snapshot") {
      candles.byInterval.clear();
      candles.trimmed += 1;
    }
    for (const candle of event.data) {
      const rows = candles.byInterval.get(candle.interval) ?? [];
      candles.byInterval.set(candle.interval, rows);
      let place = rows.length;
      while (place > 0 && rows[place - 1].start > candle.start) place -= 1;
      if (place > 0 && rows[place - 1].start === candle.start) rows[place - 1] = candle;
      else rows.splice(place, 0, candle);
      // A chart cannot continue from candles that came late or all at once.
      if (place < rows.length - 1) candles.trimmed += 1;
      if (rows.length > MOST_CANDLES) {
        rows.splice(0, rows.length - KEPT_CANDLES);
        candles.trimmed += 1;
      }
    }
    this.candles.changed();
  }

  #takeReports(event) {
    if (event.type === "update") this.heard.value = event.data;
    this.reports.value += 1;
  }

  #takePipeline(event) {
    this.pipeline.value = event.data;
    const { orders_per_s: orders, trades_per_s: trades } = event.data;
    const time = Date.parse(event.timestamp) / 1000;
    // A snapshot includes the minutes before it.
    const known = event.data.recent ? event.data.recent.map(figure) : this.figures.value;
    const before = known.filter((one) => one.time < time);
    this.figures.value = [...before, { time, orders, trades }].slice(-MOST_FIGURES);
  }
}

function figure({ timestamp, orders_per_s: orders, trades_per_s: trades }) {
  return { time: Date.parse(timestamp) / 1000, orders, trades };
}

// The direction of the last change of the last price: up, down, or unknown.
function moveOf(before, last) {
  if (!before?.last || !last || before.last === last) return before?.move ?? "none";
  return last > before.last ? "up" : "down";
}

// Levels of a side, best first, with the quantity up to and including each.
export function levels(side, { descending, most = Infinity }) {
  const sorted = [...side.values()].sort((a, b) => (descending ? b[0] - a[0] : a[0] - b[0]));
  let total = 0;
  return sorted.slice(0, most).map(([price, quantity, orders]) => {
    total += quantity;
    return { price, quantity, orders, total };
  });
}
