// The life of an order as a waterfall: its wait in each queue, and the time that each stage worked on it. Without a
// chosen order, it is a recent order that traded; the times of that order are public, its owner is not.

import { byId, element, Rows, setClass, write } from "../elements.js";
import { fateOf } from "../fate.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { get, path } from "../rest.js";
import { key, zone } from "../session.js";
import { Signal } from "../signal.js";
import { lifeSteps, step } from "./life_steps.js";

const EVERY_MS = 3_000;
// The interval for a chosen order until its life is known.
const SOON_MS = 400;
const MOST_TICKS = 5;
// The interval while there is no order to show.
const NOTHING_MS = 15_000;
const CLOSED = new Set(["filled", "cancelled", "rejected"]);

// {security_id, order_id} of the order whose life is shown; null for a recent one.
export const chosenOrder = new Signal(null);

// {life, order, records}; the last two are null for a recent order of another client.
const shownLife = new Signal(null);
const missing = new Signal("Waiting for an order that trades.");

export function chooseOrder({ security_id: securityId, order_id: orderId }) {
  chosenOrder.value = { security_id: securityId, order_id: orderId };
  byId("life").scrollIntoView({ block: "nearest" });
}

export function life(market) {
  const rows = new Rows(byId("life-rows"), row);
  const scale = new Rows(byId("life-scale"), () => ({ node: element("span") }));
  const steps = lifeSteps(shownLife);
  byId("life-any").addEventListener("click", () => (chosenOrder.value = null));
  key.listen(() => (chosenOrder.value = null));
  follow(market, steps);

  paintOn([shownLife, missing, chosenOrder, step, zone], () => {
    const found = shownLife.value?.life ?? null;
    byId("life-table").hidden = found === null;
    byId("life-any").hidden = chosenOrder.value === null;
    byId("life-empty").hidden = found !== null;
    write(byId("life-empty"), missing.value);
    write(byId("life-legend"), found === null ? "" : describe(found));
    writeFate();
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

// Ask for the life of the chosen order until it has ended, or for recent ones while none is chosen.
function follow(market, steps) {
  let timer = null;
  async function turn() {
    clearTimeout(timer);
    const order = chosenOrder.value;
    // Without a trade there is no recent order to ask for. While the visitor steps through a life, it stays.
    const asks = !document.hidden && (order !== null || market.trades.value.length > 0);
    const afterMs = step.value >= 0 ? 1_000 : asks ? await load(order) : 1_000;
    if (order === chosenOrder.value) timer = setTimeout(turn, afterMs);
  }
  chosenOrder.listen(() => {
    steps.stop();
    shownLife.value = null;
    missing.value = chosenOrder.value === null ? "Waiting for an order that trades." : `Waiting for order ${chosenOrder.value.order_id}.`;
    turn();
  });
  turn();
}

async function load(order) {
  try {
    const found = order === null ? { life: await get("/life"), order: null, records: null } : await own(order);
    if (order === chosenOrder.value) shownLife.value = found;
    return EVERY_MS;
  } catch (problem) {
    if (order !== chosenOrder.value) return EVERY_MS;
    if (problem.status === 404) {
      shownLife.value = null;
      missing.value =
        order === null ? "No order with all its time stamps yet." : `Order ${order.order_id} has no time stamps yet.`;
      return order === null ? NOTHING_MS : SOON_MS;
    }
    missing.value = `Unavailable: the lives of orders, as ${problem.message}.`;
    return EVERY_MS;
  }
}

async function own({ security_id: securityId, order_id: orderId }) {
  const known = shownLife.value;
  // A closed order no longer changes, except that the records of its trades may still be on their way.
  if (known?.order && CLOSED.has(known.order.status) && known.settled) return known;
  const address = path`/orders/${securityId}/${orderId}`;
  const [found, order, records] = await Promise.all([get(`${address}/life`), get(address), get(`${address}/records`)]);
  const settled = order.filled_quantity === 0 || records.postings.length > 0;
  return { life: found, order, records, settled };
}

function writeFate() {
  const { order = null } = shownLife.value ?? {};
  byId("life-fate").hidden = order === null;
  if (order === null) return;
  const fate = fateOf(order);
  write(byId("life-fate"), `${fate.mark} ${fate.text}`);
  setClass(byId("life-fate"), "failed", fate.kind === "failed");
}

function describe(found) {
  const whose = found.order_id === null ? `a recent ${found.security_id} order` : `${found.security_id} order ${found.order_id}`;
  return `${format.milliseconds(found.total_ms)}: ${whose}, ${format.exactClock(found.started_at)}`;
}

// The spans by stage: the wait and the work of a stage share a row. An order that rests waits in the book for long, and
// then one stage has two waits.
function byStage(spans) {
  const stages = [];
  for (const [index, span] of spans.entries()) {
    if (stages.at(-1)?.stage !== span.stage) stages.push({ stage: span.stage, spans: [] });
    stages.at(-1).spans.push({ ...span, index });
  }
  return stages;
}

function row() {
  const track = element("div", { className: "track" });
  const cells = [
    element("th", { scope: "row" }),
    element("td", {}, track),
    element("td", { className: "number" }),
    element("td", { className: "number" }),
  ];
  const bars = new Rows(track, () => ({ node: element("span", { className: "span" }) }));
  return { node: element("tr", {}, ...cells), cells, bars };
}

function writeStage({ node, cells, bars }, { stage, spans }, totalMs) {
  write(cells[0], format.words(stage));
  write(cells[2], took(spans, "queue"));
  write(cells[3], took(spans, "work"));
  setClass(node, "now", spans.some((span) => span.index === step.value));
  node.title = spans.map((span) => `${span.what}: ${format.milliseconds(span.end_ms - span.start_ms)}`).join("\n");
  bars.fit(spans.length).forEach(({ node: bar }, index) => {
    const { part, start_ms: startMs, end_ms: endMs, index: place } = spans[index];
    setClass(bar, "ahead", step.value >= 0 && place > step.value);
    setClass(bar, "now", place === step.value);
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
