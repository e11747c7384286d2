// Replaces the browser's WebSocket by a Socket.IO server in the page itself, which sends as much of a market as the test
// asks for, as fast as the page takes it. It has a clock of its own, so an hour of the market takes a minute.
(() => {
  const SECURITY = "MSFT";
  const CHANNELS = ["price", "book", "trades", "candles", "leaderboard", "pipeline"];
  const CLIENTS = 20;
  const STEPS = { "1s": 1, "1m": 60, "5m": 300, "1h": 3600 };
  // The options that the test sets before the page loads: channels whose snapshot never comes, refusals by channel, and
  // the figures of the pipeline before that.
  const { silent = [], refused = {}, recent = [] } = window.fakeStreamOptions ?? {};
  const sequences = Object.fromEntries(CHANNELS.map((channel) => [channel, 0]));
  let socket = null;
  let nowS = Date.parse("2026-01-02T03:00:00Z") / 1000;
  let middleCents = 10_000;
  const candles = {};

  // The same hour each time.
  let state = 7;
  function random() {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  }
  const upTo = (most) => 1 + Math.floor(random() * most);
  const time = (seconds) => new Date(seconds * 1000).toISOString();

  function say(text) {
    socket?.onmessage?.({ data: text });
  }

  function publish(channel, data, type = "update", securityId = SECURITY) {
    const previous = sequences[channel];
    sequences[channel] += type === "update" ? 1 : 0;
    const ofAll = channel === "leaderboard" || channel === "pipeline";
    const event = {
      channel,
      security_id: ofAll ? null : securityId,
      type,
      sequence: sequences[channel],
      previous_sequence: type === "update" ? previous : 0,
      timestamp: time(nowS),
      data,
    };
    say(`42${JSON.stringify([channel, event])}`);
  }

  class FakeSocket {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;
    readyState = 1;

    constructor() {
      socket = this;
      queueMicrotask(() => {
        this.onopen?.();
        say('0{"sid":"a","upgrades":[],"pingInterval":1000000000,"pingTimeout":1000000,"maxPayload":1000000}');
      });
    }

    send(text) {
      setTimeout(() => this.#answer(text)); // later, as a real answer would come
    }

    #answer(text) {
      if (text.startsWith("40")) say('40{"sid":"b"}');
      const [, number, content] = /^42(\d+)(.*)$/s.exec(text) ?? [];
      if (number === undefined) return;
      const [, { channel, security_id: securityId }] = JSON.parse(content);
      const answer = channel in refused ? { status: 422, detail: refused[channel] } : { status: "success" };
      say(`43${number}[${JSON.stringify(answer)}]`);
      if (silent.includes(channel) || channel in refused) return;
      if (CHANNELS.includes(channel) && (securityId ?? SECURITY) === SECURITY) publish(channel, snapshot(channel), "snapshot");
    }

    close() {
      this.readyState = 3;
      this.onclose?.({ code: 1000 });
    }
  }

  const level = (cents) => [cents / 100, upTo(500), upTo(5)];

  function snapshot(channel) {
    if (channel === "book") return { bids: [level(middleCents - 1)], asks: [level(middleCents + 1)] };
    return channel === "price" ? price() : channel === "pipeline" ? { ...pipeline(), recent } : channel === "leaderboard" ? board() : [];
  }

  function price() {
    return { bid: (middleCents - 1) / 100, ask: (middleCents + 1) / 100, last: middleCents / 100 };
  }

  // Levels far from the middle are removed, so that the book does not become deeper than a real one.
  function bookUpdate() {
    const side = (sign) => [level(middleCents + sign * upTo(200)), [(middleCents - sign * upTo(200)) / 100, 0, 0]];
    return { bids: side(-1), asks: side(1) };
  }

  function trade() {
    return {
      trade_id: `1-${sequences.trades}`,
      price: middleCents / 100,
      quantity: upTo(100),
      aggressor_side: random() < 0.5 ? "buy" : "sell",
      sequence: sequences.trades + 1,
      timestamp: time(nowS),
    };
  }

  function candleUpdate() {
    const last = middleCents / 100;
    return Object.entries(STEPS).map(([interval, step]) => {
      const start = time(Math.floor(nowS / step) * step);
      const known = candles[interval]?.start === start ? candles[interval] : { start, open: last, high: last, low: last, volume: 0 };
      candles[interval] = {
        interval,
        ...known,
        high: Math.max(known.high, last),
        low: Math.min(known.low, last),
        close: last,
        volume: known.volume + upTo(100),
      };
      return candles[interval];
    });
  }

  function board() {
    return Array.from({ length: CLIENTS }, (_, index) => ({
      rank: index + 1,
      client_id: `CLIENT_${(index + Math.floor(nowS / 60)) % CLIENTS}`,
      equity: 100_000 - index * 10 + random(),
      balance: 0,
      holdings: {},
      trades: sequences.trades,
      return: random() - 0.5,
    }));
  }

  function pipeline() {
    const queue = (name) => ({ name, depth: upTo(50), rate_per_s: upTo(999), consumers: 1 });
    const stage = (name) => ({ stage: name, p50_ms: upTo(50), p99_ms: upTo(5_000) });
    return {
      queues: ["order_entry", "matching.0", "matching.1", "order_execution", "data_feed"].map(queue),
      stages: ["data_feed", "matching", "order_entry", "order_execution"].map(stage),
      dead_letters: 0,
      orders_per_s: upTo(999),
      trades_per_s: upTo(99),
      flower: "http://127.0.0.1:5555",
    };
  }

  // One second of the market.
  function second({ books, trades }) {
    nowS += 1;
    middleCents = Math.max(5_000, middleCents + Math.round((random() - 0.5) * 6));
    for (let made = 0; made < books; made += 1) publish("book", bookUpdate());
    for (let made = 0; made < trades; made += 1) {
      publish("trades", [trade()]);
      publish("candles", candleUpdate());
      publish("price", price());
    }
    publish("leaderboard", board());
    publish("pipeline", pipeline());
    say(`42${JSON.stringify(["heartbeat", { timestamp: time(nowS), sequences: {} }])}`);
  }

  const frame = () => new Promise((done) => nextFrame(done));
  const nextFrame = window.requestAnimationFrame.bind(window);

  window.fakeStream = {
    publish,
    second,
    framesAsked: 0,
    // Let seconds pass, `eachFrame` of them between two frames.
    async run(seconds, { books, trades, eachFrame }) {
      for (let gone = 0; gone < seconds; gone += 1) {
        second({ books, trades });
        if (gone % eachFrame === 0) await frame();
      }
      await frame();
      await frame();
    },
  };
  window.requestAnimationFrame = (callback) => {
    window.fakeStream.framesAsked += 1;
    return nextFrame(callback);
  };
  window.WebSocket = FakeSocket;
})();
