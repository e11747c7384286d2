// The life of an order as steps that a teacher can go through, from HTTP to settlement: each says what happens, where,
// and which records are written.

import * as format from "./format.js";
import { reasonOf, reasonWords } from "./reasons.js";

const PLACES = {
  api: "HTTP",
  order_entry: "order entry",
  matching: "the matching engine",
  order_execution: "order execution, the clearinghouse",
  data_feed: "the data feed",
};

// Steps as {stage, part, title, took, lines}, one for each span. life: as of GET …/life; order and records may be null,
// for example for the order of another client.
export function storyOf(life, order, records) {
  const shard = shardOf(life, records);
  const lastWork = life.spans.findLastIndex((span) => span.stage === "data_feed" && span.part === "work");
  return life.spans.map((span, index) => ({
    stage: span.stage,
    part: span.part,
    title: titleOf(span, shard),
    tookMs: span.end_ms - span.start_ms,
    lines: span.part === "queue" ? waiting(span, shard) : working(span, { life, order, records, isLast: index === lastWork }),
  }));
}

// A trade names its place in the log: shard, sequence and number, as in 1-4711-0.
function shardOf(life, records) {
  if (records?.log) return records.log.shard;
  return life.trade ? Number(life.trade.trade_id.split("-")[0]) : null;
}

function titleOf(span, shard) {
  if (span.part === "work") return `${PLACES[span.stage]} works`;
  return isResting(span) ? "resting in the book" : `waits in the queue ${queueOf(span.stage, shard)}`;
}

function queueOf(stage, shard) {
  return stage === "matching" && shard !== null ? `matching.${shard}` : stage;
}

const isResting = (span) => span.what.startsWith("resting");

function waiting(span, shard) {
  if (isResting(span)) return ["The order rests in the book until another order matches it, or it is cancelled."];
  return [`RabbitMQ keeps the message on the quorum queue ${queueOf(span.stage, shard)} until a worker takes it.`];
}

function working(span, known) {
  return { api: atApi, order_entry: atEntry, matching: atEngine, order_execution: atClearing, data_feed: atFeed }[span.stage](known);
}

function atApi({ life, order }) {
  const lines = [`POST /orders: ${order ? termsWords(order) : `an order in ${life.security_id}`}.`];
  lines.push(`Answered 202${order ? ` with order id ${order.order_id}` : ""} as soon as RabbitMQ has it.`);
  return lines;
}

function atEntry({ life, order, records }) {
  if (order?.status === "rejected" && !records?.log) {
    return [`Refused: ${reasonOf(order)}.`, "Nothing is held, and the log has no row of it."];
  }
  const held = order?.side === "sell" ? "Its shares are held" : order ? "Its cost is held" : "What it may cost is held";
  const { log = null } = records ?? {};
  if (log) return [`${held}, and the log has it: shard ${log.shard}, sequence ${log.sequence}.`, log.command];
  const place = life.trade?.trade_id.split("-");
  const row = place ? `: shard ${place[0]}, sequence ${place[1]}` : "";
  return [`${held}, and the order is written into the log${row}. From here on the log is the truth.`];
}

function atEngine({ life, order, records }) {
  const trades = records?.trades.length > 0 ? records.trades : [life.trade].filter(Boolean);
  if (trades.length > 0) return ["The best price comes first, then the earliest order:", ...trades.map(tradeWords)];
  return [order?.reason ? `No trade: ${reasonWords(order.reason)}.` : "No trade: the order ends here."];
}

function atClearing({ life, records }) {
  const { trade } = life;
  const postings = records?.postings ?? [];
  if (postings.length > 0) return ["Cash against shares, both or neither; the ledger has:", ...postings.map(postingWords)];
  if (!trade) return ["The settlement is booked."];
  const cash = format.price(trade.quantity * trade.price);
  return [`${format.quantity(trade.quantity)} shares against ${cash} in cash, both legs or neither, with DTCC in the middle.`];
}

function tradeWords({ trade_id: id, quantity, price }) {
  return `trade ${id}, ${format.quantity(quantity)} @ ${format.price(price)}`;
}

// A double entry: the contra account loses the amount that the account gains.
function postingWords(one) {
  const gained = [one.shares && `${format.signed(one.shares, 0)} ${one.security_id}`, one.cash && `${format.signed(one.cash)} cash`];
  const words = gained.filter(Boolean).join(", ");
  return `${one.kind}, entry ${one.entry_id}: ${one.account} ${words || "0.00"} against ${one.contra_account}`;
}

function atFeed({ order, isLast }) {
  const lines = ["The report is stored, and sent to its subscribers."];
  if (order && isLast) lines.push(`The order is ${statusWords(order)} now.`);
  return lines;
}

function statusWords(order) {
  const filled = order.filled_quantity > 0 ? `, ${format.quantity(order.filled_quantity)} @ ${format.price(order.average_price)} on average` : "";
  return format.words(order.status) + filled;
}

function termsWords(order) {
  const at = order.price ? ` @ ${format.price(order.price)}` : "";
  return `${order.side} ${format.quantity(order.quantity)} ${order.security_id}, ${format.words(order.type)}${at}, ${order.time_in_force}`;
}
