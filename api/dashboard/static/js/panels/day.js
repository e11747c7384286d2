// The phase of the chosen security with a countdown, the outcome of its auction if it ended now, and the latest news.

import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { security, zone } from "../session.js";
import { Signal } from "../signal.js";

export function day(market) {
  const second = new Signal(0);
  setInterval(() => (second.value += 1), 1_000);
  paintOn([market.phases, market.auctions, security, second], () => showPhase(market));
  paintOn([market.news, zone], () => showNews(market.news.value));
}

function showPhase(market) {
  const phase = market.phases.value.get(security.value);
  const auction = market.auctions.value.get(security.value);
  const parts = phase ? [phase.phase] : [];
  if (phase?.phase_cause === "volatility") parts.push("volatility");
  if (phase?.phase_ends_at) parts.push(countdown(phase.phase_ends_at, market.time.value ?? Date.now()));
  if (phase?.phase === "auction" && auction !== undefined) {
    parts.push(auction?.price ? `${format.quantity(auction.volume)} at ${format.price(auction.price)}` : "no price yet");
  }
  write(byId("day-phase"), parts.join(" · "));
}

function countdown(endsAt, nowMs) {
  const seconds = Math.max(0, Math.ceil((Date.parse(endsAt) - nowMs) / 1_000));
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

function showNews(news) {
  const node = byId("day-news");
  node.hidden = news === null;
  if (news === null) return;
  write(node, `${format.clock(news.timestamp)} ${news.headline}`);
  node.title = news.body ?? news.headline;
}
