// Candles with volume. A candle that rose is hollow and one that fell is full, so that nobody needs the colours.

import {
  CandlestickSeries,
  createChart,
  CrosshairMode,
  HistogramSeries,
} from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { byId, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { interval } from "../session.js";
import { colour, shown } from "../theme.js";

const timeOf = (candle) => Date.parse(candle.start) / 1000;
// How many candles a chart begins with in sight.
const IN_SIGHT = 90;

export function candles(market, stream) {
  const chart = createChart(byId("candles-chart"), {
    autoSize: true,
    // Its logo brings a style element, which the policy of the page forbids; the footer names the makers.
    layout: { attributionLogo: false, fontSize: 11, background: { color: "transparent" } },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.24 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: true, rightOffset: 3 },
  });
  const prices = chart.addSeries(CandlestickSeries, { borderVisible: true, priceLineVisible: true });
  const volumes = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  let pointed = null;
  chart.subscribeCrosshairMove(({ time }) => {
    pointed = time ?? null;
    legend();
  });

  // What the series hold: to go on from it costs less than to begin anew.
  let drawn = { rows: null, trimmed: -1, count: 0 };

  function rowsOf() {
    return market.candles.value.byInterval.get(interval.value) ?? [];
  }

  function draw() {
    const { trimmed } = market.candles.value;
    const rows = rowsOf();
    const anew = drawn.rows !== rows || drawn.trimmed !== trimmed;
    if (anew) {
      prices.setData(rows.map(priceOf));
      volumes.setData(rows.map(volumeOf));
      if (drawn.rows !== rows) showLatest(rows.length);
    } else {
      // The last one that was drawn may have moved, and others may have come behind it.
      for (const candle of rows.slice(Math.max(0, drawn.count - 1))) {
        prices.update(priceOf(candle));
        volumes.update(volumeOf(candle));
      }
    }
    drawn = { rows, trimmed, count: rows.length };
    legend();
    say(rows);
  }

  function showLatest(count) {
    chart.priceScale("right").applyOptions({ autoScale: true });
    chart.timeScale().setVisibleLogicalRange({ from: count - IN_SIGHT, to: count + 3 });
  }

  function legend() {
    const rows = rowsOf();
    const candle = pointed === null ? rows.at(-1) : rows.find((one) => timeOf(one) === pointed);
    byId("candles-legend").hidden = !candle;
    if (!candle) return;
    write(byId("candle-at"), format.clock(candle.start));
    for (const name of ["open", "high", "low", "close"]) write(byId(`candle-${name}`), format.price(candle[name]));
    write(byId("candle-volume"), format.quantity(candle.volume));
  }

  function say(rows) {
    const refusal = stream.refused.value.get("candles");
    const node = byId("candles-empty");
    node.hidden = rows.length > 0;
    write(node, refusal ? `Candles are not there: ${refusal}.` : "No candles yet: nothing has been traded.");
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
    drawn = { rows: drawn.rows, trimmed: -1, count: 0 };
    draw();
  }

  choices();
  paintOn([market.candles, interval, stream.refused], draw);
  paintOn([shown], paintColours);
}

function choices() {
  for (const input of byId("candles-interval").querySelectorAll("input")) {
    input.checked = input.value === interval.value;
    input.addEventListener("change", () => (interval.value = input.value));
  }
}

function priceOf(candle) {
  const { open, high, low, close } = candle;
  return { time: timeOf(candle), open, high, low, close };
}

function volumeOf(candle) {
  const rose = candle.close >= candle.open;
  return { time: timeOf(candle), value: candle.volume, color: colour(rose ? "up-soft" : "down-soft") };
}
