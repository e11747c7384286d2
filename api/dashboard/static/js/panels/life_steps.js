// Steps through a life in slow motion: back, forth, or by itself.

import { byId, element, Rows, setClass, write } from "../elements.js";
import { paintOn } from "../frames.js";
import * as format from "../format.js";
import { Signal } from "../signal.js";
import { storyOf } from "../story.js";

// A step is shown long enough to be read, whatever time it really took.
const STEP_MS = 2_500;
const NO_STEP = -1;

// The step that is shown, which the waterfall marks; -1 for the whole life.
export const step = new Signal(NO_STEP);
const playing = new Signal(false);

// shownLife: a signal with {life, order, records}, or null.
export function lifeSteps(shownLife) {
  const lines = new Rows(byId("step-lines"), () => ({ node: element("li") }));
  let timer = null;
  const count = () => shownLife.value?.life.spans.length ?? 0;

  function go(to) {
    step.value = Math.min(Math.max(to, NO_STEP), count() - 1);
  }

  function play(wanted) {
    clearInterval(timer);
    playing.value = wanted;
    if (!wanted) return;
    if (step.value === count() - 1) step.value = NO_STEP;
    timer = setInterval(() => (step.value < count() - 1 ? go(step.value + 1) : play(false)), STEP_MS);
    go(step.value + 1);
  }

  byId("step-back").addEventListener("click", () => (play(false), go(step.value - 1)));
  byId("step-on").addEventListener("click", () => (play(false), go(step.value + 1)));
  byId("step-play").addEventListener("click", () => play(!playing.value));

  paintOn([shownLife, step, playing], () => {
    byId("life-steps").hidden = shownLife.value === null;
    if (shownLife.value === null) return;
    const { life, order, records } = shownLife.value;
    const story = storyOf(life, order, records);
    const shown = story[step.value] ?? null;
    write(byId("step-play"), playing.value ? "❚❚ pause" : "▶ step by step");
    byId("step-back").disabled = step.value === NO_STEP;
    byId("step-on").disabled = step.value === story.length - 1;
    write(byId("step-count"), shown ? `${step.value + 1} of ${story.length}` : "");
    write(byId("step-title"), shown ? `${shown.title}, ${format.milliseconds(shown.tookMs)}` : "In short");
    const texts = shown ? shown.lines : summary(story);
    lines.fit(texts.length).forEach(({ node }, index) => {
      write(node, texts[index]);
      setClass(node, "raw", texts[index].startsWith("["));
    });
  });

  return { stop: () => (play(false), (step.value = NO_STEP)) };
}

// The records that each stage wrote, without its waits.
function summary(story) {
  return story.filter((one) => one.part === "work" && one.stage !== "data_feed").map((one) => one.lines.filter((line) => !line.startsWith("[")).join(" "));
}
