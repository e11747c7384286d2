// The life of an order as a waterfall: how long it waited in each queue, and how long each stage worked on it.
// Without a chosen order it is a recent one that traded, of whomever: its times are public, its owner is not.

import { byId, element, Rows, setClass, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { get, path } from "../rest.js";
import { key } from "../session.js";
import { Signal } from "../signal.js";

const EVERY_MS = 3_000;
const MOST_TICKS = 5;
// Who has no order to show is asked seldom.
const NOTHING_MS = 15_000;

export const chosenOrder = new Signal(null);

const shown = new Signal(null);
const missing = new Signal("Waiting for an order that trades.");

export function life(market) {
  const rows = new Rows(byId("life-rows"), row);
  const scale = new Rows(byId("life-scale"), () => ({ node: element("span") }));
  byId("life-any").addEventListener("click", () => (chosenOrder.value = null));
  key.listen(() => (chosenOrder.value = null));
  follow(market);

  paintOn([shown, missing, chosenOrder], () => {
    const found = shown.value;
    byId("life-table").hidden = found === null;
    byId("life-any").hidden = chosenOrder.value === null;
    byId("life-empty").hidden = found !== null;
    write(byId("life-empty"), missing.value);
    write(byId("life-legend"), found === null ? "" : describe(found));
    if (found === null) return;
    const totalMs = Math.max(found.total_ms, 0.1);
    const stepMs = roundStep(totalMs / MOST_TICKS);
    byId("life-table").style.setProperty("--step", (stepMs / totalMs).toFixed(4));
    scale.fit(Math.floor(totalMs / stepMs + 0.75)).forEach(({ node }, index) => {
      node.style.setProperty("--at", ((stepMs * index) / totalMs).toFixed(4));
      write(node, index === 0 ? "0 ms" : String(Number((stepMs * index).toPrecision(6))));
    });
    const stages = byStage(found.spans);
    rows.fit(stages.length).forEach((made, index) => writeStage(made, stages[index], totalMs));
  });
}

// Ask for the life of the chosen order until it has ended, or for recent ones as long as nobody chooses.
function follow(market) {
  let timer = null;
  async function turn() {
    clearTimeout(timer);
    const order = chosenOrder.value;
    // Without a trade there is no such order: the exchange need not be asked.
    const asks = !document.hidden && (order !== null || market.trades.value.length > 0);
    const afterMs = asks ? await load(order) : 1_000;
    if (order === chosenOrder.value) timer = setTimeout(turn, afterMs);
  }
  chosenOrder.listen(() => {
    shown.value = null;
    missing.value = "Loading.";
    turn();
  });
  turn();
}

async function load(order) {
  try {
    const found = await get(order === null ? "/life" : path`/orders/${order.security_id}/${order.order_id}/life`);
    if (order === chosenOrder.value) shown.value = found;
    return EVERY_MS;
  } catch (problem) {
    if (order !== chosenOrder.value) return EVERY_MS;
    if (problem.status === 404) shown.value = null;
    missing.value =
      order === null ? "No order with all its time stamps yet." : `Order ${order.order_id} has no time stamps yet.`;
    return problem.status === 404 && order === null ? NOTHING_MS : EVERY_MS;
  }
}

function describe(found) {
  const whose = found.order_id === null ? `a recent ${found.security_id} order` : `${found.security_id} order ${found.order_id}`;
  return `${format.milliseconds(found.total_ms)}: ${whose}, ${format.exactClock(found.started_at)}`;
}

// The spans of each stage together: its wait and its work stand in one row. What rests in the book waits there long,
// and then there are two waits for one stage.
function byStage(spans) {
  const stages = [];
  for (const span of spans) {
    if (stages.at(-1)?.stage !== span.stage) stages.push({ stage: span.stage, spans: [] });
    stages.at(-1).spans.push(span);
  }
  return stages;
}

function row() {
  const track = element("div", { className: "track" });
  const what = element("span", { className: "what" });
  const cells = [
    element("th", { scope: "row" }),
    element("td", {}, track, what),
    element("td", { className: "number" }),
    element("td", { className: "number" }),
  ];
  const bars = new Rows(track, () => ({ node: element("span", { className: "span" }) }));
  return { node: element("tr", {}, ...cells), cells, bars, what };
}

function writeStage({ node, cells, bars, what }, { stage, spans }, totalMs) {
  write(cells[0], format.words(stage));
  write(cells[2], took(spans, "queue"));
  write(cells[3], took(spans, "work"));
  node.title = spans.map((span) => `${span.what}: ${format.milliseconds(span.end_ms - span.start_ms)}`).join("\n");
  write(what, spans.at(-1).what);
  bars.fit(spans.length).forEach(({ node: bar }, index) => {
    const { part, start_ms: startMs, end_ms: endMs } = spans[index];
    setClass(bar, "queue", part === "queue");
    setClass(bar, "work", part === "work");
    bar.style.setProperty("--start", (startMs / totalMs).toFixed(4));
    bar.style.setProperty("--end", (endMs / totalMs).toFixed(4));
  });
}

function took(spans, part) {
  const ofPart = spans.filter((span) => span.part === part);
  if (ofPart.length === 0) return "";
  return format.milliseconds(ofPart.reduce((sum, span) => sum + span.end_ms - span.start_ms, 0));
}

// The next of 1, 2, 5, 10, 20, ...
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}
