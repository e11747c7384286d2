// The pipeline behind the market: what waits in each queue, how fast it goes, who works, and how long orders take.

import { byId, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { axes, plotIn } from "../plot.js";
import { colour, shown } from "../theme.js";

export function pipeline(market, stream) {
  const queues = new Rows(byId("pipeline-queue-rows"), () => tableRow(["", "number", "number", "number"], 0));
  const stages = new Rows(byId("pipeline-stage-rows"), () => tableRow(["", "number", "number"], 0));
  const plot = plotIn(byId("pipeline-chart"), () => ({
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: axes({ x: null, y: format.brief, ySize: 40 }),
    series: [{}, curve("orders/s", "curve-1"), { ...curve("trades/s", "curve-2"), dash: [5, 4] }],
    cursor: { show: false },
  }));

  paintOn([market.pipeline, stream.refused], () => {
    const found = market.pipeline.value;
    for (const id of ["pipeline-figures", "pipeline-queues", "pipeline-stages"]) byId(id).hidden = found === null;
    byId("pipeline-chart").hidden = found === null;
    byId("pipeline-empty").hidden = found !== null;
    const refusal = stream.refused.value.get("pipeline");
    write(byId("pipeline-empty"), refusal ? `The pipeline is not there: ${refusal}.` : "Waiting for figures.");
    if (found !== null) writeAll(found, queues, stages);
  });
  paintOn([market.figures], () => {
    const figures = market.figures.value;
    if (figures.length > 0) plot.show(["time", "orders", "trades"].map((name) => figures.map((one) => one[name])));
  });
  paintOn([shown], () => plot.again());
}

function curve(label, name) {
  return { label, stroke: colour(name), width: 1.5, points: { show: false } };
}

function writeAll(found, queues, stages) {
  write(byId("pipeline-orders"), format.rate(found.orders_per_s));
  write(byId("pipeline-trades"), format.rate(found.trades_per_s));
  write(byId("pipeline-dead"), format.quantity(found.dead_letters));
  setClass(byId("pipeline-dead"), "some", found.dead_letters > 0);
  queues.fit(found.queues.length).forEach((row, index) => writeQueue(row, found.queues[index]));
  stages.fit(found.stages.length).forEach((row, index) => writeStage(row, found.stages[index]));
  const link = byId("pipeline-flower");
  link.hidden = !found.flower;
  // Only ever an address of the web: whoever told it cannot make it run anything here.
  if (found.flower && /^https?:\/\//.test(found.flower)) link.href = found.flower;
}

function writeQueue({ cells }, queue) {
  write(cells[0], queue.name);
  write(cells[1], format.quantity(queue.depth));
  write(cells[2], format.rate(queue.rate_per_s));
  write(cells[3], queue.consumers === 0 ? "✕ none" : format.quantity(queue.consumers));
  setClass(cells[3], "down", queue.consumers === 0);
}

function writeStage({ cells }, stage) {
  write(cells[0], format.words(stage.stage));
  write(cells[1], format.milliseconds(stage.p50_ms));
  write(cells[2], format.milliseconds(stage.p99_ms));
}
