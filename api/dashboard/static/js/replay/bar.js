// The bar of a replay: its security and round, a slider over its time, play and pause.

import { byId, element, write } from "../elements.js";
import * as format from "../format.js";
import { get, path } from "../rest.js";
import { identity, security } from "../session.js";
import { elapsed } from "./elapsed.js";
import { TICK_MS } from "./feed.js";
import { ownFills } from "./own_fills.js";

export async function replay(market, feed, competitionId) {
  document.body.dataset.replay = "on";
  byId("replay").hidden = false;
  write(byId("ticket-title"), "Your fills");
  write(byId("key-form").querySelector(".hint"), "Enter your team's key to see your own fills here, in the chart and on the tape. No other team sees them.");
  byId("ticket-who").querySelector("span").firstChild.data = "Fills of ";
  try {
    const competition = await get(path`/competitions/${competitionId}`, null);
    const { data: rounds } = await get(path`/competitions/${competitionId}/replays`, null);
    write(byId("replay-name"), competition.name);
    if (rounds.length === 0) throw new Error("no round of this competition is over yet");
    choices(rounds, market, feed, competitionId);
  } catch (problem) {
    fail(feed, problem);
  }
  ownFills(market, feed, controls(feed));
}

function fail(feed, problem) {
  feed.failed.value = true;
  write(byId("replay-fault"), problem.status === 404 ? "There is no such competition or round." : problem.message);
}

function choices(rounds, market, feed, competitionId) {
  const select = byId("replay-round");
  const load = async (chosen) => {
    write(byId("replay-fault"), "");
    try {
      const rows = await get(path`/competitions/${competitionId}/replay/${chosen}`, null);
      if (select.value !== chosen) return;
      security.value = chosen;
      market.choose(chosen);
      feed.load(rows);
      // A whole number of steps, so that the slider reaches the end.
      byId("replay-time").max = Math.ceil(feed.lengthMs / TICK_MS) * TICK_MS;
      move(feed, 0);
    } catch (problem) {
      fail(feed, problem);
    }
  };
  select.replaceChildren(...rounds.map((one) => element("option", { value: one.security_id }, `${one.name}, round ${one.round}`)));
  select.value = rounds.some((one) => one.security_id === security.value) ? security.value : rounds[0].security_id;
  select.addEventListener("change", () => load(select.value));
  load(select.value);
  identity.listen(() => move(feed, Number(byId("replay-time").value)));
}

// Returns a function that moves the slider and stops there.
function controls(feed) {
  const slider = byId("replay-time");
  const play = byId("replay-play");
  let playing = null;

  function stop() {
    clearInterval(playing);
    playing = null;
    write(play, "Play");
  }

  function start() {
    if (Number(slider.value) >= Number(slider.max)) move(feed, 0);
    write(play, "Pause");
    playing = setInterval(() => {
      const next = Number(slider.value) + TICK_MS * Number(byId("replay-speed").value);
      move(feed, next);
      if (next >= Number(slider.max)) stop();
    }, TICK_MS);
  }

  slider.addEventListener("input", () => move(feed, Number(slider.value)));
  play.addEventListener("click", () => (playing === null ? start() : stop()));
  byId("replay-round").addEventListener("change", stop);
  return (timeMs) => {
    stop();
    move(feed, timeMs);
  };
}

function move(feed, timeMs) {
  const slider = byId("replay-time");
  slider.value = timeMs;
  const shown = Number(slider.value);
  feed.show(shown);
  const said = `${elapsed(shown)} of ${elapsed(feed.lengthMs)}`;
  slider.setAttribute("aria-valuetext", said);
  write(byId("replay-clock"), `${format.clock(feed.timeOf(shown))} ${format.zoneName()}, ${said}`);
}
