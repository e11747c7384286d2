// Candles with volume, own orders and own fills. Rising candles are hollow and falling ones filled, so that the chart
// can be read without colours.

import {
  CandlestickSeries,
  createChart,
  CrosshairMode,
  HistogramSeries,
} from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { writeAbsence } from "../absence.js";
import { MOST_POINTS, priceRange, STEPS_S, timeOf, withIdle } from "../candle_rows.js";
import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { interval, security, zone } from "../session.js";
import { colour, shown } from "../theme.js";
import { ownMarks } from "./own_marks.js";

// The number of candles that are in view at first.
const IN_SIGHT = 90;
const MARGINS = { top: 0.08, bottom: 0.24 };

export function candles(market, stream) {
  const place = byId("candles-chart");
  const chart = createChart(place, {
    autoSize: true,
    // The library's logo brings a style element, which the policy of the page forbids; the footer names its makers.
    layout: { attributionLogo: false, fontSize: 11, background: { color: "transparent" } },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderVisible: false, scaleMargins: MARGINS },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: true, rightOffset: 3 },
  });
  const prices = chart.addSeries(CandlestickSeries, {
    borderVisible: true,
    priceLineVisible: true,
    // A user can pull the axis below zero; it shows no prices there.
    priceFormat: { type: "custom", minMove: 0.01, formatter: (price) => (price < 0 ? "" : format.price(price)) },
    autoscaleInfoProvider: () => {
      const range = priceRange(inSight(), MARGINS);
      return range && { priceRange: { minValue: range.low, maxValue: range.high } };
    },
  });
  const volumes = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  // The beginning of a round and the time of a fill are rounded to milliseconds one by one, so their sum may be one less.
  const untilMs = () => (document.body.dataset.replay ? market.time.value + 1 : Infinity);
  const marks = ownMarks(prices, { timeOf: (time) => shownTime(time), stepS: () => STEPS_S[interval.value], untilMs });
  let pointed = null;
  chart.subscribeCrosshairMove(({ time }) => {
    pointed = time ?? null;
    legend();
  });

  // The current content of the series: continuing from it costs less than beginning again.
  let drawn = { rows: null, trimmed: -1, points: [], zone: null };

  function rowsOf() {
    return market.candles.value.byInterval.get(interval.value) ?? [];
  }

  // The chart has no time zones, so it gets times that read as those of the chosen zone.
  function shownTime(timeS) {
    return timeS + format.offsetMs(timeS * 1000) / 1000;
  }

  function inSight() {
    const range = chart.timeScale().getVisibleLogicalRange();
    const { points } = drawn;
    const seen = range ? points.slice(Math.max(Math.floor(range.from), 0), Math.max(Math.ceil(range.to) + 1, 0)) : points;
    return seen.filter((point) => point.candle !== null).map((point) => point.candle);
  }

  function draw() {
    const { trimmed } = market.candles.value;
    const rows = rowsOf();
    const before = drawn;
    const goesOn = before.rows === rows && before.trimmed === trimmed && before.zone === zone.value && before.points.length <= MOST_POINTS;
    const kept = goesOn ? Math.max(before.points.findLastIndex((point) => point.candle !== null), 0) : 0;
    const fresh = withIdle(rows.slice(rowFrom(rows, goesOn ? before.points[kept]?.time : -Infinity)), STEPS_S[interval.value], nowS(rows));
    drawn = { rows, trimmed, points: [...before.points.slice(0, kept), ...fresh], zone: zone.value };
    if (!goesOn || !update(before.points, kept)) {
      prices.setData(drawn.points.map(priceOf));
      volumes.setData(drawn.points.map(volumeOf));
    }
    if (before.rows !== rows) showLatest(drawn.points.length);
    // A description of the canvas for screen readers.
    const label = `Candles and volume, with ${marks.draw(drawn.points)}`;
    if (place.getAttribute("aria-label") !== label) place.setAttribute("aria-label", label);
    legend();
    writeAbsence(byId("candles-empty"), rows.length === 0, stream.lack("candles", market.securityId), {
      what: "candles",
      nothing: "No candles yet: nothing has been traded.",
    });
  }

  // Change the points from an index on, and append new ones; returns false if earlier points would have to change.
  function update(before, from) {
    const { points } = drawn;
    const fits = before.length > 0 && before.length <= points.length && before.every((point, index) => index < from || point.time === points[index].time);
    if (!fits) return false;
    for (let index = from; index < points.length; index += 1) {
      const point = points[index];
      if (before[index] && before[index].candle === point.candle) continue;
      const isOld = index < before.length - 1;
      prices.update(priceOf(point), isOld);
      volumes.update(volumeOf(point), isOld);
    }
    return true;
  }

  // The end of the idle time after the last candle: a second ago, because candles take a moment to arrive.
  function nowS(rows) {
    const lastS = rows.length > 0 ? timeOf(rows.at(-1)) : 0;
    return Math.max(market.time.value === null ? 0 : Math.floor(market.time.value / 1000) - 1, lastS);
  }

  function priceOf({ time, candle }) {
    if (candle === null) return { time: shownTime(time) };
    const { open, high, low, close } = candle;
    return { time: shownTime(time), open, high, low, close };
  }

  function volumeOf({ time, candle }) {
    if (candle === null) return { time: shownTime(time) };
    const rose = candle.close >= candle.open;
    return { time: shownTime(time), value: candle.volume, color: colour(rose ? "up-soft" : "down-soft") };
  }

  function showLatest(count) {
    chart.priceScale("right").applyOptions({ autoScale: true });
    chart.timeScale().setVisibleLogicalRange({ from: count - IN_SIGHT, to: count + 3 });
  }

  function legend() {
    const rows = rowsOf();
    const candle = pointed === null ? rows.at(-1) : rows.find((one) => shownTime(timeOf(one)) === pointed);
    byId("candles-legend").hidden = !candle;
    if (!candle) return;
    write(byId("candle-at"), format.clock(candle.start));
    for (const name of ["open", "high", "low", "close"]) write(byId(`candle-${name}`), format.price(candle[name]));
    write(byId("candle-volume"), format.quantity(candle.volume));
  }

  function paintColours() {
    const [up, down, panel] = ["up", "down", "panel"].map(colour);
    chart.applyOptions({
      layout: { textColor: colour("quiet"), fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { vertLines: { color: colour("grid") }, horzLines: { color: colour("grid") } },
    });
    prices.applyOptions({
      upColor: panel,
      downColor: down,
      borderUpColor: up,
      borderDownColor: down,
      wickUpColor: up,
      wickDownColor: down,
      priceLineColor: colour("quiet"),
    });
    drawn = { ...drawn, trimmed: -1 };
    draw();
  }

  choices();
  paintOn([market.candles, market.time, interval, security, zone, stream.arrived, stream.refused, stream.failed, ...marks.signals], draw);
  paintOn([shown], paintColours);
}

// The first row that is not before a time.
function rowFrom(rows, timeS) {
  let place = rows.length;
  while (place > 0 && timeOf(rows[place - 1]) >= timeS) place -= 1;
  return place;
}

function choices() {
  for (const input of byId("candles-interval").querySelectorAll("input")) {
    input.checked = input.value === interval.value;
    input.addEventListener("change", () => (interval.value = input.value));
  }
}
