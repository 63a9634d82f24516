// What a reader sees before the first search: what is different here, and something to try.

import { byUncertainty } from "./api.js";
import { fromText } from "./address.js";
import { element } from "./dom.js";
import { glyph } from "./glyph.js";
import { say } from "./say.js";

/** Where in the order of σ the examples stand, and how many there are the shortest of. */
const EXAMPLES = [0.02, 0.25, 0.5, 0.75, 0.97];
const CANDIDATES = 10;

const shortest = ({ items }) => items.reduce((one, other) => (other.text.length < one.text.length ? other : one));

async function examples(total, signal) {
  const asked = EXAMPLES.map((at) =>
    byUncertainty({ modality: "text", order: "asc", limit: CANDIDATES, offset: Math.floor(at * total) }, signal),
  );
  const found = (await Promise.all(asked)).filter((page) => page.items.length).map(shortest);
  return [...new Map(found.map((item) => [item.text, item])).values()];
}

const chip = (item) =>
  element(
    "a",
    { class: "chip", href: fromText(item.text), "data-go": true },
    glyph(null, item.uncertainty.percentile),
    item.text,
  );

const sign = (probability, percentile, key) =>
  element("li", {}, glyph(probability, percentile), element("span", {}, say(key)));

/** Fill `box`; `texts` is how many captions the gallery has. */
export async function start(box, texts, signal) {
  const legend = element(
    "ul",
    { class: "legend" },
    sign(0.73, 50, "startRing"),
    sign(null, 5, "startSharp"),
    sign(null, 95, "startSoft"),
  );
  const chips = element("p", { class: "chips" });
  box.replaceChildren(
    element("h2", {}, say("startTitle")),
    element("p", { class: "lead" }, say("startLead")),
    legend,
    chips,
  );
  box.hidden = false;
  if (!texts) return;
  const found = await examples(texts, signal);
  chips.before(element("p", { class: "help" }, say("startTry")));
  chips.append(...found.map(chip));
}
