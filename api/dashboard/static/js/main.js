// The page: one market, one stream that feeds it, and the panels that show it.

import { byId } from "./elements.js";
import { Market } from "./market.js";
import { panels } from "./panels.js";
import { replay } from "./replay/bar.js";
import { ReplayFeed } from "./replay/feed.js";
import { get } from "./rest.js";
import { identity, key, security, theme } from "./session.js";
import { Stream } from "./stream.js";

const OF_ONE_SECURITY = ["book", "trades", "candles"];

const market = new Market();
// A link to a replay, as in /?replay=c0ffee00&security=ACME, shows a round that is over in place of the present.
const replayed = new URLSearchParams(location.search).get("replay");
const stream = replayed === null ? new Stream(market) : new ReplayFeed(market);

function look(securityId) {
  for (const channel of OF_ONE_SECURITY) if (market.securityId !== null) stream.forget(channel, market.securityId);
  market.choose(securityId);
  for (const channel of OF_ONE_SECURITY) stream.watch(channel, securityId);
}

// Ask for the owner of the key, because a reloaded page finds its key without having asked yet.
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
panels(market, stream);

stream.watch("price");
stream.watch("phase");
stream.watch("auction");
stream.watch("news");
stream.watch("leaderboard");
stream.watch("pipeline");
security.listen(look);
if (security.value !== null) look(security.value);
identity.listen((found) => (found === null ? stream.forget("report") : stream.watch("report")));
key.listen(introduce);
introduce();
if (replayed !== null) replay(market, stream, replayed);
