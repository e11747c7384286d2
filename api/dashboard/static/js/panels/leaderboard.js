// The equity of the clients, now and over time. Each curve has a colour and a pattern, shown next to its name.

import { lackOf, writeAbsence } from "../absence.js";
import { byId, element, Rows, setClass, tableRow, write, writeGain } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { axes, plotIn } from "../plot.js";
import { get, repeatedly } from "../rest.js";
import { identity } from "../session.js";
import { Signal } from "../signal.js";
import { colour, shown } from "../theme.js";

const HISTORY_MS = 10_000;
const BOARD_MS = 10_000;
const PATTERNS = [[], [6, 3], [2, 3], [9, 3, 2, 3], [1, 2], [4, 2, 1, 2, 1, 2], [12, 4], [3, 6]];
// More curves than this cannot be distinguished.
const MOST_CURVES = PATTERNS.length;
// The end of a name stays in view where the name is too long: AVELLANEDA_STOIKOV_2 and _3 differ only there.
const TAIL = 3;
const SVG = "http://www.w3.org/2000/svg";

// The clients with a curve, each in its place: a client that stays at the top keeps its colour and pattern.
const drawn = new Signal([]);

export function leaderboard(market, stream) {
  const history = new Signal(null);
  const absent = new Signal("");
  const pointed = new Signal(null);
  const rows = new Rows(byId("leaderboard-rows"), () => row(pointed));
  const plot = plotIn(byId("leaderboard-chart"), () => ({
    scales: { y: { range: roomFor } },
    axes: axes({ x: null, y: (value) => `${format.signed(value, 2)} %`, ySize: 60, ySpace: 18 }),
    series: [{}, ...drawn.value.map((client, index) => curve(index, client === pointed.value))],
    cursor: { y: false, drag: { x: false, y: false } },
  }));

  repeatedly(HISTORY_MS, async () => {
    try {
      history.value = await get("/leaderboard/history");
      absent.value = "";
    } catch (problem) {
      absent.value = problem.message;
    }
  });
  repeatedly(BOARD_MS, async () => {
    if (!stream.refused.value.has("leaderboard")) return; // the stream brings it
    try {
      market.leaderboard.value = (await get("/leaderboard")).data;
    } catch {
      // The bar shows that the exchange is away; the next turn tries again.
    }
  });

  paintOn([history, absent, drawn], () => {
    const times = history.value?.times ?? [];
    const empty = times.length < 2 || drawn.value.length === 0;
    const texts = { what: "the curves", nothing: "Curves begin a few seconds after the exchange." };
    writeAbsence(byId("leaderboard-chart-empty"), empty, lackOf(history.value, absent.value), texts);
    if (empty) return;
    const percents = (client) => (history.value.returns[client] ?? []).map((one) => (one === null ? null : one * 100));
    plot.show([times.map((time) => Date.parse(time) / 1000), ...drawn.value.map((client) => column(percents(client), times))]);
  });
  paintOn([market.leaderboard, history], () => {
    const first = (market.leaderboard.value ?? []).slice(0, MOST_CURVES).map((one) => one.client_id);
    drawn.value = placed(first, drawn.value);
  });
  paintOn([market.leaderboard, drawn, shown, identity, stream.refused, stream.failed], () => {
    const board = market.leaderboard.value ?? [];
    const lack = market.leaderboard.value === null ? (stream.lack("leaderboard") ?? "waiting") : null;
    writeAbsence(byId("leaderboard-empty"), board.length === 0, lack, { what: "the leaderboard", nothing: "No clients yet." });
    const curves = drawn.value.length;
    write(byId("leaderboard-legend"), curves > 0 ? `returns of the top ${curves} by equity` : "");
    rows.fit(board.length).forEach((made, index) => writeStanding(made, board[index]));
  });
  paintOn([shown, pointed], () => plot.again());
}

// A client that was drawn before keeps its place; a new one takes a free place.
function placed(wanted, before) {
  const kept = before.map((client) => (wanted.includes(client) ? client : null));
  const added = wanted.filter((client) => !before.includes(client));
  const places = [...kept, ...Array(Math.max(wanted.length - kept.length, 0)).fill(null)];
  const found = places.map((client) => client ?? added.shift() ?? null).filter((client) => client !== null);
  return found.join("\n") === before.join("\n") ? before : found;
}

// Times for which a client has no figures become a gap.
function column(values, times) {
  return times.map((_time, index) => values[index] ?? null);
}

function roomFor(_plot, low, high) {
  if (low === null) return [-1, 1];
  const margin = Math.max((high - low) * 0.08, 0.05);
  return [low - margin, high + margin];
}

const colourOf = (index) => `curve-${(index % 8) + 1}`;
const patternOf = (index) => PATTERNS[index % PATTERNS.length];

function curve(index, thick) {
  return {
    stroke: colour(colourOf(index)),
    width: thick ? 3 : 1.5,
    dash: patternOf(index),
    points: { show: false },
    spanGaps: true,
  };
}

function row(pointed) {
  const made = tableRow(["number quiet", "", "number", "number", "number", "number"], 1);
  made.line = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": 2 })) {
    made.line.setAttribute(name, value);
  }
  const sample = document.createElementNS(SVG, "svg");
  sample.setAttribute("aria-hidden", "true");
  sample.append(made.line);
  [made.head, made.tail] = [element("span"), element("span")];
  made.name = element("span", { className: "name" }, made.head, made.tail);
  made.cells[1].append(element("span", { className: "line-sample" }, sample, made.name));
  made.node.addEventListener("pointerenter", () => (pointed.value = made.name.textContent));
  made.node.addEventListener("pointerleave", () => (pointed.value = null));
  return made;
}

function writeStanding({ node, cells, line, name, head, tail }, standing) {
  const index = drawn.value.indexOf(standing.client_id);
  line.setAttribute("stroke", index < 0 ? "transparent" : colour(colourOf(index)));
  line.setAttribute("stroke-dasharray", patternOf(Math.max(index, 0)).join(" "));
  write(cells[0], String(standing.rank));
  write(head, standing.client_id.slice(0, -TAIL));
  write(tail, standing.client_id.slice(-TAIL));
  name.title = standing.client_id;
  write(cells[2], format.quantity(standing.equity));
  cells[2].title = format.price(standing.equity);
  writeGain(cells[3], format.percent(standing.return));
  writeGain(cells[4], format.percent(standing.versus_holding));
  write(cells[5], format.quantity(standing.trades));
  setClass(node, "own", standing.client_id === identity.value?.client_id);
}
