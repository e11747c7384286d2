// The page of an invitation: a name for the team, then its key, shown once, and a first order to copy.

import { byId, element, setClass, write } from "../elements.js";
import { get, path, post } from "../rest.js";
import { key } from "../session.js";
import { lastPart } from "./address.js";
import { copyButtons } from "./copy.js";

const token = lastPart(location.pathname);
// What this tab has joined as, so that a reloaded page still has the key.
const JOINED = `exchange.joined.${token}`;
const MESSAGES = {
  registration: "You are invited. Choose a name for your team.",
  running: "The competition has begun, so teams can no longer join.",
  break: "The competition has begun, so teams can no longer join.",
  finished: "The competition is over.",
  stopped: "The competition was stopped.",
};
const USED = "This invitation is used: each is for one team. If it was yours, your key was shown then; ask the organiser for a new key if you have lost it. Otherwise, ask for another invitation.";

async function look() {
  const before = remembered();
  if (before) return show(before);
  try {
    const found = await get(path`/join/${token}`, null);
    write(byId("competition-name"), found.name);
    document.title = `Join: ${found.name}`;
    const open = found.state === "registration" && !found.is_used;
    const isOver = found.state === "finished" || found.state === "stopped";
    write(byId("state"), found.is_used && !isOver ? USED : MESSAGES[found.state]);
    setClass(byId("join-form"), "hidden", !open);
    if (open) byId("team").focus();
    else onward(found.competition_id, isOver);
  } catch (problem) {
    write(byId("state"), problem.status === 404 ? "There is no such invitation. Check the link, or ask the organiser." : problem.message);
  }
}

// Where visitors go who cannot join.
function onward(competition, isOver) {
  const links = [element("a", { className: "button", href: path`/projector/${competition}` }, "Standings")];
  if (isOver) links.push(element("a", { className: "button", href: path`/competitions/${competition}/report` }, "Report"));
  byId("onward").replaceChildren(...links);
}

async function join(event) {
  event.preventDefault();
  const team = byId("team").value;
  write(byId("fault"), "");
  byId("join").disabled = true;
  try {
    const joined = { team, ...(await post(path`/join/${token}`, { team })) };
    remember(joined);
    show(joined);
  } catch (problem) {
    write(byId("fault"), faultOf(problem));
  }
  byId("join").disabled = false;
}

function faultOf(problem) {
  if (problem.errors[0]?.detail) return `The name ${problem.errors[0].detail}.`;
  // Without an answer, the team may have joined; its key is lost then.
  if (problem.unknownOutcome) return `${problem.message}. Try again; if the invitation is used then, ask the organiser for a new key.`;
  return problem.message;
}

function show(joined) {
  setClass(byId("join-form"), "hidden", true);
  setClass(byId("joined"), "hidden", false);
  write(byId("state"), "You have joined.");
  write(byId("joined-team"), joined.team);
  byId("key").value = joined.api_key;
  byId("client").value = joined.client_id;
  byId("wall").href = path`/projector/${joined.competition_id}`;
  explain(joined).catch((problem) => write(byId("state"), `You have joined; ${problem.message}.`));
}

// What comes next, for the securities of the competition.
async function explain(joined) {
  const { name, rounds, securities } = await get(path`/competitions/${joined.competition_id}`, null);
  write(byId("competition-name"), name);
  write(byId("next"), `The organiser starts ${rounds === 1 ? "the round" : `the first of ${rounds} rounds`}; the page Standings shows when. Until then, orders are denied: the security is closed.`);
  const security = securities[0].security_id;
  // The key reaches the page through the memory of this tab, never through an address.
  byId("trade").onclick = () => {
    key.value = joined.api_key;
    location.assign(`/?security=${encodeURIComponent(security)}`);
  };
  firstOrder(joined.api_key, security, await referencePrice(security));
}

// A price that the exchange takes: that at which the first round begins.
async function referencePrice(security) {
  const { data } = await get("/securities", null);
  return data.find((one) => one.security_id === security)?.reference_price ?? 10;
}

function firstOrder(apiKey, security, price) {
  const order = { type: "limit", security_id: security, side: "buy", quantity: 1, price };
  write(
    byId("curl"),
    `curl -X POST ${location.origin}/orders \\\n  -H "Authorization: Bearer ${apiKey}" \\\n  -H "Content-Type: application/json" \\\n  -d '${JSON.stringify(order)}'`,
  );
  write(
    byId("python"),
    `import requests\n\nanswer = requests.post(\n    "${location.origin}/orders",\n    headers={"Authorization": "Bearer ${apiKey}"},\n    json=${JSON.stringify(order).replaceAll(":", ": ").replaceAll(",", ", ")},\n)\nprint(answer.status_code, answer.json())`,
  );
}

function remember(joined) {
  try {
    sessionStorage.setItem(JOINED, JSON.stringify(joined));
  } catch {
    // The browser forbids storage: a reloaded page has no key.
  }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(JOINED));
  } catch {
    return null;
  }
}

byId("join-form").addEventListener("submit", join);
copyButtons();
look();
