// The answer to a search: how much is expected, the threshold, and the results as a list or in the plane.

import { go, here } from "./address.js";
import { byId, element } from "./dom.js";
import { plane } from "./plane.js";
import { divide, expected, grouped, listed, refusal, thresholdSlider } from "./results.js";
import { number, say, share } from "./say.js";
import { tell, worded } from "./status.js";
import { why } from "./why.js";

const box = byId("answer");

export function hideAnswer() {
  box.hidden = true;
}

/** Whether an answer is awaited that will take the place of the one that is shown. */
export const setBusy = (isBusy) => (isBusy ? box.setAttribute("aria-busy", "true") : box.removeAttribute("aria-busy"));

/**
 * Show an answer.
 *
 * @param found the service's
 * @param question what was asked
 * @param options `count` cards to begin with, `total` items that could have answered, `onMore` for more cards or null,
 *     `onShownAs` when the reader wants another way to see them
 */
export function showAnswer(found, question, { count, total, onMore, onShownAs }) {
  const at = here();
  const onWhy = (hit) => why(byId("why"), question, found.query, hit, worded);
  const isPlane = Boolean(found.projection) && found.results.length > 0;
  const groups = grouped(found);
  const shown = isPlane ? plane(found) : listed(groups.slice(0, count), onWhy);
  const draw = (percents) => drawLine(found, shown, percents);
  const parts = [
    found.no_match ? refusal(found) : expected(found, total),
    found.calibrated ? null : element("p", { class: "notice" }, say("uncalibrated")),
    found.results.length ? steering(found, at, draw, onShownAs) : null,
    shown,
    !isPlane && hasMore(found, groups, count) && onMore ? moreButton(onMore) : null,
  ];
  box.replaceChildren(...parts.filter(Boolean));
  box.hidden = false;
  draw(Number(at.threshold));
}

/** Give the focus to a card, so that whoever asked for more reads on there. */
export const focusCard = (place) => box.querySelectorAll(".card a")[place]?.focus();

function drawLine({ results }, shown, percents) {
  divide(shown, percents / 100);
  const above = results.filter((hit) => hit.match_probability >= percents / 100).length;
  tell(say("found", { n: results.length, above: number(above), threshold: share(percents / 100) }));
}

function steering(found, at, draw, onShownAs) {
  const slider = thresholdSlider(found, Number(at.threshold), (percents) => {
    draw(percents);
    go({ ...here(), threshold: String(percents) }, { replace: true });
  });
  return element("div", { class: "steering" }, slider, shownAs(at, onShownAs));
}

function shownAs(at, onShownAs) {
  const ways = { list: "asList", plane: "asPlane" };
  const radios = Object.entries(ways).map(([way, key]) => {
    const onchange = () => onShownAs(way);
    const radio = element("input", {
      type: "radio",
      name: "as",
      value: way,
      id: `as-${way}`,
      checked: at.as === way,
      onchange,
    });
    return element("label", {}, radio, say(key));
  });
  return element("fieldset", { class: "choice" }, element("legend", { class: "hidden" }, say("shownAs")), ...radios);
}

/** Captions have all come at once and are shown by and by; more pictures have to be asked for. */
const hasMore = ({ direction, ranked }, groups, count) =>
  groups.length > count || (direction === "text-to-image" && groups.length === count && count < ranked);

const moreButton = (onMore) => element("button", { type: "button", class: "more", onclick: onMore }, say("more"));
