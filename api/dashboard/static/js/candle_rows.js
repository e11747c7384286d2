// Candles for a chart: with the idle time between them, and a price axis that a single odd trade does not distort.

// A chart shows at most this many candles of continuous idle time, and this many points in all; a chart with more
// points begins again with the number of KEPT_POINTS.
const MOST_IDLE = 300;
export const MOST_POINTS = 2_400;
const KEPT_POINTS = 1_600;

export const STEPS_S = { "1s": 1, "1m": 60, "5m": 300, "1h": 3_600 };

// Points as {time [s], candle}, oldest first; one without a candle is idle time. Longer idle times are shortened.
// untilS: the time up to which nothing was traded after the last candle.
export function withIdle(rows, stepS, untilS) {
  const points = [];
  for (let index = rows.length - 1; index >= 0 && points.length < KEPT_POINTS; index -= 1) {
    const time = timeOf(rows[index]);
    const next = index === rows.length - 1 ? untilS + 1 : timeOf(rows[index + 1]);
    const gaps = Math.min(Math.floor((next - 1 - time) / stepS), MOST_IDLE);
    for (let gap = gaps; gap > 0; gap -= 1) points.push({ time: time + gap * stepS, candle: null });
    points.push({ time, candle: rows[index] });
  }
  return points.reverse();
}

export function timeOf(candle) {
  return Date.parse(candle.start) / 1000;
}

// A price that is further from the middle nine tenths of the closes than this many times their width is cut off.
const REACH = 3;
// The axis is at least this high [fraction of the price].
const LEAST = 0.001;

// The range of the price axis for candles: {low, high}, or null without candles. The margins are the parts of the axis
// below and above the range; even with them, the axis never goes below zero.
export function priceRange(candles, { bottom, top }) {
  if (candles.length === 0) return null;
  const closes = candles.map((one) => one.close).sort((a, b) => a - b);
  const at = (fraction) => closes[Math.round(fraction * (closes.length - 1))];
  const width = Math.max(at(0.95) - at(0.05), at(0.5) * LEAST);
  const floor = at(0.05) - REACH * width;
  const ceiling = at(0.95) + REACH * width;
  const within = (price) => Math.min(Math.max(price, floor), ceiling);
  const { close } = candles.at(-1);
  let low = Math.min(close, ...candles.map((one) => within(one.low)));
  let high = Math.max(close, ...candles.map((one) => within(one.high)));
  const missing = at(0.5) * LEAST - (high - low);
  if (missing > 0) {
    low -= missing / 2;
    high += missing / 2;
  }
  // The axis ends at low - (high - low) * part: at zero or above.
  const part = bottom / (1 - bottom - top);
  return { low: Math.max(low, (high * part) / (1 + part)), high };
}
