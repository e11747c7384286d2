// The fills of the account in the chosen security, newest first; each leads to the life of its order.

import { lackOf, writeAbsence } from "../absence.js";
import { byId, element, Rows, setClass, tableRow, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { fills, ownProblem } from "../own.js";
import { ordersShown, security, zone } from "../session.js";
import { chooseOrder } from "./life.js";

const MOST_SHOWN = 100;
const COLUMNS = ["time", "number order-id", "security", "side", "number filled", "number price", "number value", "number fee", "trade", "actions"];

export function fillsPanel() {
  const rows = new Rows(byId("fills-rows"), row);
  paintOn([fills, ownProblem, ordersShown, security, zone], () => {
    if (ordersShown.value !== "fills") return;
    const found = fills.value?.securityId === security.value ? fills.value.rows : null;
    const shown = (found ?? []).slice(0, MOST_SHOWN);
    rows.fit(shown.length).forEach((made, index) => writeFill(made, shown[index]));
    byId("fills-table").hidden = shown.length === 0;
    const texts = { what: "your fills", nothing: `No fills in ${security.value ?? "this security"} yet.` };
    writeAbsence(byId("fills-empty"), shown.length === 0, lackOf(found, ownProblem.value), texts);
  });
}

function row() {
  const made = tableRow(COLUMNS);
  made.life = element("button", { type: "button", className: "plain" }, "life");
  made.life.addEventListener("click", () => chooseOrder(made.fill));
  made.cells.at(-1).append(made.life);
  return made;
}

function writeFill(made, fill) {
  made.fill = fill;
  const texts = [
    format.clock(fill.timestamp),
    String(fill.order_id),
    fill.security_id,
    fill.side === "buy" ? "▲ buy" : "▼ sell",
    format.quantity(fill.quantity),
    format.price(fill.price),
    format.price(fill.quantity * fill.price),
    format.price(fill.fee),
    fill.trade_id,
  ];
  texts.forEach((text, index) => write(made.cells[index], text));
  setClass(made.cells[3], "up", fill.side === "buy");
  setClass(made.cells[3], "down", fill.side === "sell");
  made.life.setAttribute("aria-label", `life of order ${fill.order_id}`);
}
