// The line that says what is going on.

import { alive, Problem } from "./api.js";
import { byId, element } from "./dom.js";
import { say } from "./say.js";

const QUIET_MS = 250;
const SLOW_MS = 3000;
const RETRY_MS = 3000;

const line = byId("status");

export function tell(...parts) {
  line.className = "";
  line.replaceChildren(...parts);
  document.body.classList.remove("offline");
}

/** A problem in the reader's language. */
export const worded = (problem) =>
  problem instanceof Problem ? say(problem.kind, { detail: problem.detail }) : String(problem);

/** Tell what went wrong; `again` asks anew: by itself once the server is back, else when the reader wants it. */
export function tellProblem(problem, signal, again) {
  if (!(problem instanceof Problem)) console.error(problem);
  tell(worded(problem));
  line.className = "error";
  if (problem.kind === "offline") waitForServer(signal, again);
  else if (problem.kind !== "refused")
    line.append(" ", element("button", { type: "button", class: "plain", onclick: again }, say("again")));
}

async function waitForServer(signal, again) {
  document.body.classList.add("offline");
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    if (!signal.aborted && (await alive()) && !signal.aborted) return again();
  }
}

/** Say that there is waiting, once there is; answers what ends it. */
export function waiting(signal) {
  const timers = [setTimeout(() => tell(say("searching")), QUIET_MS), setTimeout(() => tell(say("slow")), SLOW_MS)];
  const over = () => timers.forEach(clearTimeout);
  signal.addEventListener("abort", over, { once: true });
  return over;
}
