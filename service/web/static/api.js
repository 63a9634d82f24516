// The service's routes, as this page asks them.

/** Why an answer did not come: `kind` is offline, busy, key, refused (the reader can mend it) or broken. */
export class Problem extends Error {
  constructor(kind, detail = "", status = 0) {
    super(detail || kind);
    Object.assign(this, { kind, detail, status });
  }
}

const TRIES = 4;
const LONGEST_WAIT = 5;
const LATER = new Set([429, 503]);

let place = "";

/** All later questions go to this gallery; null is the server's default. */
export function choose(gallery) {
  place = gallery === null ? "" : `/galleries/${encodeURIComponent(gallery)}`;
}

function kindOf(status) {
  if (LATER.has(status)) return "busy";
  if (status === 401) return "key";
  return status >= 500 ? "broken" : "refused";
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem(kindOf(response.status), body.detail ?? response.statusText, response.status);
}

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });

async function send(path, request) {
  try {
    return await fetch(path, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("offline");
  }
}

/** The answer to a question; a server that is full is asked again, a few times, when it says. */
async function ask(path, request = {}) {
  for (let left = TRIES; ; left--) {
    const response = await send(path, request);
    if (response.ok) return response.json();
    if (!LATER.has(response.status) || left === 1) throw await problemOf(response);
    await pause(Math.min(Number(response.headers.get("Retry-After")) || 1, LONGEST_WAIT), request.signal);
  }
}

const get = (route, values, signal) => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return ask(`${place}${route}?${new URLSearchParams(given)}`, { signal });
};

const post = (route, values, signal) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  return ask(`${place}${route}`, { method: "POST", body, signal });
};

const postJson = (route, values, signal) => {
  const headers = { "Content-Type": "application/json" };
  return ask(`${place}${route}`, { method: "POST", body: JSON.stringify(values), headers, signal });
};

// A question is {text}, {image: File} or {image_id}.

export const search = (question, options, signal) =>
  "text" in question
    ? postJson("/search/text-to-image", { ...question, ...options }, signal)
    : post("/search/image-to-text", { ...question, ...options }, signal);

/** What both branches of the model look at: in a question, or in an item ({id}). */
export const attention = (of, signal) =>
  "image" in of ? post("/attention", of, signal) : get("/attention", of.image_id ? { id: of.image_id } : of, signal);

export const words = (text, signal) => get("/uncertainty/words", { text }, signal);
export const byUncertainty = (values, signal) => get("/uncertainty", values, signal);
export const histogram = (modality, signal) => get("/uncertainty/histogram", { modality }, signal);
export const oddities = (values, signal) => get("/oddities", values, signal);
export const info = () => ask("/info");
export const alive = () =>
  send("/healthz").then(
    (response) => response.ok,
    () => false,
  );
export const pictureOf = (id) => `${place}/items/${encodeURIComponent(id)}/image`;
