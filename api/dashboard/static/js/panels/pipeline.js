// The pipeline behind the market: for each queue its depth, rate and workers, and the time that orders take.

import { writeAbsence } from "../absence.js";
import { byId, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { MOST_FIGURES } from "../market.js";
import { axes, plotIn } from "../plot.js";
import { colour, shown } from "../theme.js";

const PARTS = ["pipeline-flow", "pipeline-queues"];

export function pipeline(market, stream) {
  const queues = new Rows(byId("pipeline-queue-rows"), () =>
    tableRow(["", "number", "number", "number", "number", "number"], 0),
  );
  const plot = plotIn(byId("pipeline-chart"), () => ({
    scales: {
      // The axis has its full length from the beginning: curves come in from the right.
      x: { range: (_plot, _first, last) => [last - MOST_FIGURES, last] },
      y: { range: (_plot, _low, high) => [0, Math.max(high * 1.15, 1)] },
    },
    axes: axes({ x: (time) => ago(market.figures.value.at(-1)?.time - time), xSplits: minutes, y: format.brief, ySize: 36 }),
    padding: [8, 18, 0, 0],
    series: [{}, curve("orders/s", "curve-1"), { ...curve("trades/s", "curve-2"), dash: [5, 3] }],
    cursor: { show: false },
  }));

  paintOn([market.pipeline, stream.refused, stream.failed], () => {
    const found = market.pipeline.value;
    for (const id of PARTS) byId(id).hidden = found === null;
    const texts = { what: "figures of the pipeline", nothing: "" };
    writeAbsence(byId("pipeline-empty"), found === null, stream.lack("pipeline") ?? "waiting", texts);
    if (found !== null) writeAll(found, queues);
  });
  paintOn([market.figures], () => {
    const figures = market.figures.value;
    if (figures.length > 0) plot.show(["time", "orders", "trades"].map((name) => figures.map((one) => one[name])));
  });
  paintOn([shown], () => plot.again());
}

function minutes(_plot, _axis, _first, last) {
  return [last - 120, last - 60, last];
}

function ago(seconds) {
  return seconds < 30 ? "now" : `−${Math.round(seconds / 60)} min`;
}

function curve(label, name) {
  return { label, stroke: colour(name), width: 1.5, points: { show: false } };
}

function writeAll(found, queues) {
  write(byId("pipeline-orders"), format.rate(found.orders_per_s));
  write(byId("pipeline-trades"), format.rate(found.trades_per_s));
  write(byId("pipeline-dead"), (found.dead_letters > 0 ? "✕ " : "") + format.quantity(found.dead_letters));
  setClass(byId("pipeline-dead"), "some", found.dead_letters > 0);
  const latencies = new Map(found.stages.map((stage) => [stage.stage, stage]));
  queues.fit(found.queues.length).forEach((row, index) => {
    const queue = found.queues[index];
    writeQueue(row, queue, latencies.get(stageOf(queue.name)));
  });
  const link = byId("pipeline-flower");
  // Accept only web addresses, which cannot run a script here.
  const isAddress = /^https?:\/\//.test(found.flower ?? "");
  link.hidden = !isAddress;
  if (isAddress) link.href = found.flower;
}

// Each shard of a stage has its own queue, but the stage has one latency.
function stageOf(queueName) {
  return queueName.split(".")[0];
}

function writeQueue({ cells }, queue, latency) {
  write(cells[0], queue.name);
  write(cells[1], format.quantity(queue.depth));
  write(cells[2], format.rate(queue.rate_per_s));
  write(cells[3], queue.consumers === 0 ? "✕ none" : format.quantity(queue.consumers));
  setClass(cells[3], "down", queue.consumers === 0);
  write(cells[4], format.milliseconds(latency?.p50_ms));
  write(cells[5], format.milliseconds(latency?.p99_ms));
}
