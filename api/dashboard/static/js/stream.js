// The stream of the exchange: subscribes, detects gaps by the sequences, and then fetches a snapshot.

import { io } from "../vendor/socket.io-client/socket.io.esm.min.js";
import { key, identity } from "./session.js";
import { Signal } from "./signal.js";

// Three heartbeats of the exchange; after a longer silence, the data is stale.
export const STALE_MS = 3_000;
// A connection that is silent for this long is reconnected, even if it is open.
const HUNG_MS = 10_000;

// Channels whose updates continue from the previous ones; updates of other channels are complete by themselves.
const CHAINED = new Set(["book", "trades", "candles"]);

// Channels where only the latest update counts.
const ABSOLUTE = new Set(["book", "price", "phase", "auction"]);

const nameOf = (channel, securityId) => `${channel}:${securityId ?? "*"}`;

export class Stream {
  // connecting, live or stale.
  state = new Signal("connecting");
  // The refused channels, with the reasons.
  refused = new Signal(new Map());
  // The channels whose snapshot has come, and whether the last attempt to connect failed: see `lack`.
  arrived = new Signal(new Set());
  failed = new Signal(false);
  // The time of the last message, and of the last change of the chosen security [performance.now].
  heardAt = null;
  changedAt = null;

  #market;
  #socket;
  #wanted = new Map();
  #sequences = new Map();
  // Subscriptions whose snapshot has not come yet.
  #awaited = new Set();
  // The sequences known here when a heartbeat reported later ones.
  #behind = new Map();

  constructor(market) {
    this.#market = market;
    this.#socket = io({
      transports: ["websocket"],
      auth: (give) => give(key.value ? { api_key: key.value } : {}),
      reconnectionDelay: 300,
      reconnectionDelayMax: 2_000,
      timeout: 5_000,
    });
    this.#socket.on("connect", () => this.#subscribeAll());
    this.#socket.on("disconnect", () => this.#lost());
    this.#socket.on("connect_error", (fault) => this.#notConnected(fault));
    this.#socket.on("heartbeat", (beat) => this.#beat(beat));
    for (const channel of ["price", "book", "trades", "candles", "phase", "auction", "news", "report", "leaderboard", "pipeline"]) {
      this.#socket.on(channel, (event) => this.#take(event));
    }
    key.listen(() => this.#again());
    setInterval(() => this.#look(), 500);
  }

  watch(channel, securityId = null) {
    this.#wanted.set(nameOf(channel, securityId), { channel, securityId });
    if (this.#socket.connected) this.#subscribe(channel, securityId);
  }

  forget(channel, securityId = null) {
    const name = nameOf(channel, securityId);
    if (!this.#wanted.delete(name)) return;
    this.#awaited.delete(name);
    this.#sequences.delete(name);
    this.arrived.value.delete(name);
    if (this.#socket.connected) this.#socket.emit("unsubscribe", asked(channel, securityId));
  }

  // The reason why a channel has no data: "waiting", or why it is unavailable; null when it has data.
  lack(channel, securityId = null) {
    if (this.arrived.value.has(nameOf(channel, securityId))) return null;
    const refusal = this.refused.value.get(channel);
    if (refusal) return refusal;
    return this.failed.value ? "the streams cannot be reached" : "waiting";
  }

  silenceMs() {
    return this.heardAt === null ? null : performance.now() - this.heardAt;
  }

  changeMs() {
    return this.changedAt === null ? null : performance.now() - this.changedAt;
  }

  #subscribeAll() {
    this.#sequences.clear();
    this.#awaited.clear();
    this.#behind.clear();
    this.refused.value = new Map();
    this.failed.value = false;
    for (const { channel, securityId } of this.#wanted.values()) this.#subscribe(channel, securityId);
  }

  #subscribe(channel, securityId) {
    const name = nameOf(channel, securityId);
    this.#awaited.add(name);
    this.#socket.emit("subscribe", asked(channel, securityId), (answer) => {
      if (answer.status === "success") return;
      this.#awaited.delete(name);
      this.refused.value = new Map(this.refused.value).set(channel, answer.detail);
    });
  }

  #take(event) {
    this.#heard();
    const name = nameOf(event.channel, event.security_id);
    if (event.type === "snapshot") {
      this.#awaited.delete(name);
      this.#sequences.set(name, event.sequence);
      this.#arrive(name);
    } else {
      const known = this.#sequences.get(name) ?? 0;
      if (CHAINED.has(event.channel) && event.previous_sequence > known) {
        this.#takeSnapshot(event.channel, event.security_id);
        return;
      }
      // Late trades count, as they have numbers of their own; on an absolute channel, old updates are useless.
      if (event.sequence <= known && ABSOLUTE.has(event.channel)) return;
      this.#sequences.set(name, Math.max(known, event.sequence));
    }
    if (event.security_id === this.#market.securityId) this.changedAt = performance.now();
    this.#market.take(event);
  }

  #arrive(name) {
    if (this.arrived.value.has(name)) return;
    this.arrived.value.add(name);
    this.arrived.changed();
  }

  // Something is missing: subscribe again for a snapshot, unless one is on its way.
  #takeSnapshot(channel, securityId) {
    if (!this.#wanted.has(nameOf(channel, securityId)) || this.#awaited.has(nameOf(channel, securityId))) return;
    this.#subscribe(channel, securityId);
  }

  #beat(beat) {
    this.#heard();
    this.#market.time.value = Date.parse(beat.timestamp);
    for (const channel of CHAINED) {
      const securityId = this.#market.securityId;
      const reported = beat.sequences[channel]?.[securityId];
      if (reported === undefined) continue;
      const name = nameOf(channel, securityId);
      const known = this.#sequences.get(name) ?? 0;
      // Two heartbeats have reported an update that is still not here: it is lost.
      if ((this.#behind.get(name) ?? Infinity) > known && reported > known) this.#behind.set(name, known);
      else if (reported > known && this.#behind.get(name) === known) this.#takeSnapshot(channel, securityId);
      else this.#behind.delete(name);
    }
  }

  #heard() {
    this.heardAt = performance.now();
    this.state.value = "live";
  }

  #look() {
    const silence = this.silenceMs();
    if (silence === null || silence <= STALE_MS) return;
    this.state.value = "stale";
    if (silence > HUNG_MS && this.#socket.connected) this.#again();
  }

  #lost() {
    if (this.state.value === "live") this.state.value = "stale";
  }

  #notConnected(fault) {
    this.#lost();
    this.failed.value = true;
    if (fault.data?.status === 401) {
      identity.value = null;
      key.value = null; // it was revoked: the page continues without a key
    } else if (!this.#socket.active) {
      setTimeout(() => this.#socket.connect(), 2_000);
    }
  }

  #again() {
    this.#socket.disconnect();
    this.#socket.connect();
  }
}

function asked(channel, securityId) {
  return securityId === null ? { channel } : { channel, security_id: securityId };
}
