// Cards: an item of the gallery, its sign and its numbers. Its picture or its words search from it.

import { fromItem } from "./address.js";
import { element } from "./dom.js";
import { glyph } from "./glyph.js";
import { picture } from "./pictures.js";
import { place, precise, say } from "./say.js";

/** How vague an item is, in words; the explanation is its title. */
function vagueness({ sigma, percentile }, modality) {
  if (percentile === null) return element("small", {}, `σ ${precise(sigma)}`);
  const values = { sigma: precise(sigma), percent: place(percentile), kind: say(`kind_${modality}`) };
  return element("small", { title: say("sigmaHelp", values) }, say("vaguer", values));
}

/**
 * The card of an item.
 *
 * @param item of a search or of the gallery
 * @param beside `figure` stands over how vague it is; `probability` fills the ring of its sign, which null leaves out;
 *     `again` comes after its words, `action` after its numbers, `more` below
 */
export function card(item, { figure, probability = null, again = null, action = null, more = [] }) {
  const isText = item.modality === "text";
  const inside = isText ? item.text : picture(item.image_url, say("pictureOf", { id: item.id }), 200);
  const link = element(
    "a",
    { class: isText ? "said" : "shot", href: fromItem(item), "data-go": true, title: say("searchFrom") },
    inside,
    again,
  );
  const numbers = element("span", { class: "numbers" }, figure, vagueness(item.uncertainty, item.modality));
  const sign = glyph(probability, item.uncertainty.percentile);
  const about = element("span", { class: "about" }, sign, numbers, action);
  const described = { class: isText ? "card text" : "card", "data-probability": probability };
  return element("li", described, link, about, ...more);
}

/** A list of cards of one modality. */
export const listOf = (modality, cards) =>
  element("ol", { class: modality === "text" ? "results texts" : "results" }, ...cards);
