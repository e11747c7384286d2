// Who is worth how much, and how it came to that. Each curve has a colour and a pattern, shown beside its name.

import { byId, element, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { axes, plotIn } from "../plot.js";
import { get, repeatedly } from "../rest.js";
import { Signal } from "../signal.js";
import { colour, shown } from "../theme.js";

const HISTORY_MS = 15_000;
const BOARD_MS = 10_000;
const PATTERNS = [[], [6, 3], [2, 3], [9, 3, 2, 3], [1, 2], [4, 2, 1, 2, 1, 2], [12, 4], [3, 6]];
const SVG = "http://www.w3.org/2000/svg";

// Clients in the order of their names, so that each keeps its curve whatever its rank.
const drawn = new Signal([]);

export function leaderboard(market, stream) {
  const history = new Signal(null);
  const absent = new Signal("");
  const rows = new Rows(byId("leaderboard-rows"), row);
  const plot = plotIn(byId("leaderboard-chart"), () => ({
    axes: axes({ x: null, y: format.brief, ySize: 52 }),
    series: [{}, ...drawn.value.map((_client, index) => curve(index))],
    cursor: { y: false, drag: { x: false, y: false } },
  }));

  repeatedly(HISTORY_MS, async () => {
    try {
      history.value = await get("/leaderboard/history");
      absent.value = "";
    } catch (problem) {
      absent.value = problem.status === 404 ? "Equity curves are not recorded here." : problem.message;
    }
  });
  repeatedly(BOARD_MS, async () => {
    if (!stream.refused.value.has("leaderboard")) return; // it comes by itself
    try {
      market.leaderboard.value = (await get("/leaderboard")).data;
    } catch {
      // The bar shows that the exchange is away; the next turn asks again.
    }
  });

  paintOn([history, absent], () => {
    const found = history.value;
    const clients = Object.keys(found?.equity ?? {}).sort();
    const empty = clients.length === 0 || found.times.length < 2;
    byId("leaderboard-chart-empty").hidden = !empty;
    write(byId("leaderboard-chart-empty"), absent.value || "Equity curves begin with the first trades.");
    if (empty) return;
    if (clients.join() !== drawn.value.join()) drawn.value = clients;
    plot.show([found.times.map((time) => Date.parse(time) / 1000), ...clients.map((client) => found.equity[client])]);
  });
  paintOn([market.leaderboard, drawn, shown], () => {
    const board = market.leaderboard.value ?? [];
    byId("leaderboard-empty").hidden = board.length > 0;
    write(byId("leaderboard-empty"), market.leaderboard.value === null ? "Loading." : "No clients yet.");
    rows.fit(board.length).forEach((made, index) => writeStanding(made, board[index]));
  });
  paintOn([shown], () => plot.again());
}

const colourOf = (index) => `curve-${(index % 8) + 1}`;
const patternOf = (index) => PATTERNS[(index + Math.floor(index / 8)) % PATTERNS.length];

function curve(index) {
  return { stroke: colour(colourOf(index)), width: 1.5, dash: patternOf(index), points: { show: false }, spanGaps: true };
}

function row() {
  const made = tableRow(["number quiet", "", "number", "number", "number"], 1);
  made.line = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": 2 })) {
    made.line.setAttribute(name, value);
  }
  const sample = document.createElementNS(SVG, "svg");
  sample.setAttribute("aria-hidden", "true");
  sample.append(made.line);
  made.name = element("span");
  made.cells[1].append(element("span", { className: "line-sample" }, sample, made.name));
  return made;
}

function writeStanding({ cells, line, name }, standing) {
  const index = drawn.value.indexOf(standing.client_id);
  line.setAttribute("stroke", index < 0 ? "transparent" : colour(colourOf(index)));
  line.setAttribute("stroke-dasharray", patternOf(Math.max(index, 0)).join(" "));
  write(cells[0], String(standing.rank));
  write(name, standing.client_id);
  write(cells[2], format.price(standing.equity));
  write(cells[3], format.percent(standing.return));
  write(cells[4], format.quantity(standing.trades));
  setClass(cells[3], "up", standing.return > 0);
  setClass(cells[3], "down", standing.return < 0);
}
