// Both searches, in the plainest way. What comes from the server is only ever set as text.

const byId = (id) => document.getElementById(id);
const status = byId("status");

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const percent = (probability) =>
  probability >= 0.01 || probability === 0 ? `${Math.round(100 * probability)} %` : "below 1 %";

function vagueness(uncertainty) {
  const sigma = `σ ${uncertainty.sigma.toPrecision(3)}`;
  return uncertainty.percentile === null
    ? sigma
    : `${sigma}, vaguer than ${Math.round(uncertainty.percentile)} % of the gallery`;
}

function bar(probability) {
  const filled = element("i");
  filled.style.width = `${100 * probability}%`;
  return element("div", { className: "bar" }, filled);
}

function resultCard(hit) {
  const error = hit.standard_error ? ` ± ${(100 * hit.standard_error).toFixed(1)}` : "";
  const about = element("div", { className: "about" });
  if (hit.text !== null) about.append(element("p", { textContent: hit.text }));
  about.append(
    element("span", { className: "percent", textContent: percent(hit.match_probability) }),
    element("small", { textContent: error }),
    bar(hit.match_probability),
    element("small", { textContent: vagueness(hit.uncertainty) }),
  );
  const picture = hit.image_url
    ? [element("img", { src: hit.image_url, alt: `Picture ${hit.id}`, loading: "lazy" })]
    : [];
  return element("li", { title: hit.id }, ...picture, about);
}

function showQuery(answer, picture) {
  const lines = element("div");
  if (answer.query.text !== null) {
    lines.append(element("p", {}, element("strong", { textContent: `“${answer.query.text}”` })));
  }
  lines.append(element("p", { textContent: `The query: ${vagueness(answer.query.uncertainty)}.` }));
  if (answer.no_match === null) {
    lines.append(element("p", { textContent: `${answer.expected_matches.toFixed(1)} matches expected.` }));
  }
  if (answer.query.unknown_words.length) {
    const words = answer.query.unknown_words.map((word) => `“${word}”`).join(", ");
    lines.append(element("p", { className: "notice", textContent: `Words the model has never seen: ${words}` }));
  }
  byId("asked").replaceChildren(...(picture ? [picture] : []), lines);
}

function show(answer, picture) {
  showQuery(answer, picture);
  const noMatch = byId("no-match");
  noMatch.hidden = answer.no_match === null;
  noMatch.textContent = answer.no_match ? answer.no_match.detail : "";
  const results = byId("results");
  results.className = `${answer.direction === "image-to-text" ? "texts" : ""} ${answer.no_match ? "unlikely" : ""}`;
  results.replaceChildren(...answer.results.map(resultCard));
  byId("answer").hidden = false;
}

async function ask(url, request) {
  const response = await fetch(url, { method: "POST", ...request });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? response.statusText);
  return body;
}

function onSubmit(form, search) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = document.querySelectorAll("button");
    buttons.forEach((button) => (button.disabled = true));
    status.className = "";
    status.textContent = "Searching…";
    try {
      await search();
      status.textContent = "";
    } catch (error) {
      byId("answer").hidden = true;
      status.className = "error";
      status.textContent = error.message;
    } finally {
      buttons.forEach((button) => (button.disabled = false));
    }
  });
}

async function searchByText() {
  const body = JSON.stringify({ text: byId("text").value });
  show(await ask("/search/text-to-image", { body, headers: { "Content-Type": "application/json" } }));
}

async function searchByImage() {
  const file = byId("image").files[0];
  const body = new FormData();
  body.append("image", file);
  const answer = await ask("/search/image-to-text", { body });
  const picture = element("img", { src: URL.createObjectURL(file), alt: "Your picture" });
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src));
  show(answer, picture);
}

async function showGallery() {
  const { gallery } = await (await fetch("/info")).json();
  const { image, text } = gallery.counts;
  byId("gallery").textContent = `${image.toLocaleString()} pictures, ${text.toLocaleString()} texts`;
}

onSubmit(byId("by-text"), searchByText);
onSubmit(byId("by-image"), searchByImage);
showGallery();
// A search can be linked to: /?text=…
const linked = new URLSearchParams(location.search).get("text");
if (linked) {
  byId("text").value = linked;
  byId("by-text").requestSubmit();
}
