// The page of an invitation: a name for the team, then its key, shown once, and a first order to copy.

import { byId, setClass, write } from "../elements.js";
import { get, path, post } from "../rest.js";
import { key } from "../session.js";
import { copyButtons } from "./copy.js";

const token = decodeURIComponent(location.pathname.split("/").pop());
const MESSAGES = {
  registration: "You are invited. Choose a name for your team.",
  running: "The competition has begun, so teams can no longer join.",
  break: "The competition has begun, so teams can no longer join.",
  finished: "The competition is over.",
  stopped: "The competition was stopped.",
};

async function look() {
  try {
    const found = await get(path`/join/${token}`, null);
    write(byId("competition-name"), found.name);
    const open = found.state === "registration" && !found.is_used;
    write(byId("state"), found.is_used ? "Another team has used this invitation. Ask the organiser for a new one." : MESSAGES[found.state]);
    setClass(byId("join-form"), "hidden", !open);
    if (open) byId("team").focus();
    return found;
  } catch (problem) {
    write(byId("state"), problem.status === 404 ? "There is no such invitation. Check the link, or ask the organiser." : problem.message);
    return null;
  }
}

async function join(event) {
  event.preventDefault();
  const team = byId("team").value;
  write(byId("fault"), "");
  try {
    show(team, await post(path`/join/${token}`, { team }));
  } catch (problem) {
    write(byId("fault"), problem.errors[0]?.detail ? `The name ${problem.errors[0].detail}.` : problem.message);
  }
}

async function show(team, joined) {
  setClass(byId("join-form"), "hidden", true);
  setClass(byId("joined"), "hidden", false);
  write(byId("state"), "You have joined.");
  write(byId("joined-team"), team);
  byId("key").value = joined.api_key;
  byId("client").value = joined.client_id;
  byId("wall").href = path`/projector/${joined.competition_id}`;
  // The key reaches the page through the memory of this tab, never through an address.
  byId("trade").addEventListener("click", () => {
    key.value = joined.api_key;
    location.assign("/");
  });
  const competition = await get(path`/competitions/${joined.competition_id}`, null);
  firstOrder(joined.api_key, competition.securities[0]?.security_id ?? "MSFT");
}

function firstOrder(apiKey, security) {
  const order = { type: "limit", security_id: security, side: "buy", quantity: 1, price: 10 };
  write(
    byId("curl"),
    `curl -X POST ${location.origin}/orders \\\n  -H "Authorization: Bearer ${apiKey}" \\\n  -H "Content-Type: application/json" \\\n  -d '${JSON.stringify(order)}'`,
  );
  write(
    byId("python"),
    `import requests\n\nanswer = requests.post(\n    "${location.origin}/orders",\n    headers={"Authorization": "Bearer ${apiKey}"},\n    json=${JSON.stringify(order).replaceAll(":", ": ").replaceAll(",", ", ")},\n)\nprint(answer.status_code, answer.json())`,
  );
}

byId("join-form").addEventListener("submit", join);
copyButtons();
look();
