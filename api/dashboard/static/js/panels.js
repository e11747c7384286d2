// All panels, each on what it shows.

import { account } from "./panels/account.js";
import { candles } from "./panels/candles.js";
import { connection } from "./panels/connection.js";
import { day } from "./panels/day.js";
import { depth } from "./panels/depth.js";
import { ladder } from "./panels/ladder.js";
import { leaderboard } from "./panels/leaderboard.js";
import { life } from "./panels/life.js";
import { orders } from "./panels/orders.js";
import { picker } from "./panels/picker.js";
import { pipeline } from "./panels/pipeline.js";
import { tape } from "./panels/tape.js";
import { ticket } from "./panels/ticket.js";

export function panels(market, stream) {
  connection(stream);
  picker(market);
  candles(market, stream);
  depth(market);
  ladder(market);
  tape(market);
  day(market);
  ticket(market);
  account(market);
  orders(market);
  life(market);
  pipeline(market, stream);
  leaderboard(market, stream);
}
