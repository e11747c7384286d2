// A drawing by uPlot that fills its container, follows its size and can be rebuilt for another theme.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { soon } from "./frames.js";
import { clock } from "./format.js";
import { colour } from "./theme.js";

export function plotIn(place, options) {
  let plot = null;
  let data = null;
  const size = () => ({ width: Math.max(place.clientWidth, 50), height: Math.max(place.clientHeight, 50) });

  function make() {
    plot?.destroy();
    plot = new uPlot({ ...size(), legend: { show: false }, ...options() }, data, place);
  }

  new ResizeObserver(() => soon(resize)).observe(place);
  function resize() {
    const wanted = size();
    if (plot && (plot.width !== wanted.width || plot.height !== wanted.height)) plot.setSize(wanted);
  }

  return {
    show(columns) {
      const fits = plot !== null && plot.data.length === columns.length;
      data = columns;
      if (fits) plot.setData(columns);
      else make();
    },
    again() {
      if (data !== null) make();
    },
  };
}

// Axes in the colours of the theme; x and y turn a value into text, and x may be null for times.
export function axes({ x, y, ySize = 46, ySpace = 28, xSplits }) {
  const common = {
    stroke: colour("quiet"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { show: false },
  };
  return [
    { ...common, size: 24, gap: 4, space: 70, ...(xSplits && { splits: xSplits }), ...(x ? { values: (_plot, values) => values.map(x) } : timed()) },
    { ...common, size: ySize, gap: 4, space: ySpace, values: (_plot, values) => values.map(y) },
  ];
}

function timed() {
  return { values: (_plot, times) => times.map((time) => clock(time * 1000)) };
}
