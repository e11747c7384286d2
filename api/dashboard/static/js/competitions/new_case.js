// The form for a new competition: a shipped case to begin with, and every fault with its place.

import { byId, element } from "../elements.js";
import { get, post } from "../rest.js";

let cases = [];

export async function loadCases() {
  ({ data: cases } = await get("/cases"));
  byId("shipped").replaceChildren(...cases.map((one) => element("option", { value: one.name }, one.case.name)));
  fillCase();
}

function fillCase() {
  const found = cases.find((one) => one.name === byId("shipped").value);
  if (found) byId("case").value = JSON.stringify(found.case, null, 2);
}

// choose: shows the competition with an id.
export function newCase(choose) {
  byId("shipped").addEventListener("change", fillCase);
  byId("create").addEventListener("click", () => create(choose));
}

async function create(choose) {
  const faults = byId("case-faults");
  faults.replaceChildren();
  try {
    const { competition_id: made } = await post("/competitions", JSON.parse(byId("case").value));
    byId("new").open = false;
    choose(made);
    scrollTo({ top: 0 });
  } catch (problem) {
    const listed = problem.errors?.length ? problem.errors.map((one) => `${one.pointer}: ${one.detail}`) : [problem.message];
    faults.replaceChildren(...listed.map((text) => element("li", {}, text)));
  }
}
