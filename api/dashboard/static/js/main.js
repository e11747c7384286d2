// Puts the page together: one market, one stream that feeds it, and the panels that show it.

import { account } from "./panels/account.js";
import { candles } from "./panels/candles.js";
import { connection } from "./panels/connection.js";
import { depth } from "./panels/depth.js";
import { ladder } from "./panels/ladder.js";
import { leaderboard } from "./panels/leaderboard.js";
import { life } from "./panels/life.js";
import { orders } from "./panels/orders.js";
import { picker } from "./panels/picker.js";
import { pipeline } from "./panels/pipeline.js";
import { tape } from "./panels/tape.js";
import { ticket } from "./panels/ticket.js";
import { byId } from "./elements.js";
import { Market } from "./market.js";
import { get } from "./rest.js";
import { identity, key, security, theme } from "./session.js";
import { Stream } from "./stream.js";

const OF_ONE_SECURITY = ["book", "trades", "candles"];

const market = new Market();
const stream = new Stream(market);

function look(securityId) {
  for (const channel of OF_ONE_SECURITY) if (market.securityId !== null) stream.forget(channel, market.securityId);
  market.choose(securityId);
  for (const channel of OF_ONE_SECURITY) stream.watch(channel, securityId);
  document.title = `${securityId} · Stock exchange`;
}

// Whose key it is, as a page that was loaded again finds one without having asked.
async function introduce() {
  if (key.value === null) {
    identity.value = null;
    return;
  }
  const asked = key.value;
  try {
    const found = await get("/whoami");
    if (key.value === asked) identity.value = found;
  } catch (problem) {
    if (problem.status === 401) key.value = null;
    else setTimeout(introduce, 2_000);
  }
}

function chooseTheme() {
  const select = byId("theme");
  select.value = theme.value;
  select.addEventListener("change", () => (theme.value = select.value));
}

chooseTheme();
connection(stream);
picker(market);
candles(market, stream);
depth(market);
ladder(market);
tape(market);
ticket(market);
account(market);
orders(market);
life(market);
pipeline(market, stream);
leaderboard(market, stream);

stream.watch("price");
stream.watch("leaderboard");
stream.watch("pipeline");
security.listen(look);
if (security.value !== null) look(security.value);
identity.listen((found) => (found === null ? stream.forget("report") : stream.watch("report")));
key.listen(introduce);
introduce();
