// All panels, each connected to its data.

import { keepListing } from "./listing.js";
import { keepOwn } from "./own.js";
import { candles } from "./panels/candles.js";
import { connection } from "./panels/connection.js";
import { day } from "./panels/day.js";
import { depth } from "./panels/depth.js";
import { fillsPanel } from "./panels/fills.js";
import { keyForm } from "./panels/key.js";
import { ladder } from "./panels/ladder.js";
import { leaderboard } from "./panels/leaderboard.js";
import { life } from "./panels/life.js";
import { orders } from "./panels/orders.js";
import { outcome } from "./panels/outcome.js";
import { picker } from "./panels/picker.js";
import { pipeline } from "./panels/pipeline.js";
import { position } from "./panels/position.js";
import { tape } from "./panels/tape.js";
import { ticket } from "./panels/ticket.js";

export function panels(market, stream) {
  keepListing(market);
  keepOwn(market);
  connection(market, stream);
  picker(market, stream);
  candles(market, stream);
  depth(market, stream);
  ladder(market, stream);
  tape(market, stream);
  day(market);
  keyForm();
  ticket(market);
  outcome(market);
  position(market);
  orders(market);
  fillsPanel();
  life(market);
  pipeline(market, stream);
  leaderboard(market, stream);
}
