// The results: what each is worth, and the line below which they are no matches.

import { card, listOf } from "./cards.js";
import { element, styled } from "./dom.js";
import { number, percent, say, share } from "./say.js";

/** A standard error in percentage points, which is never said to be none. */
export const points = (error) => (error < 0.0005 ? `<${number(0.1, 1)}` : number(100 * error, 1));

function worth(hit) {
  const values = { percent: percent(hit.match_probability) };
  const error = hit.standard_error ? points(hit.standard_error) : null;
  const help = error ? say("errorHelp", { ...values, points: error }) : say("exactHelp", values);
  const give = error ? element("small", {}, ` ${say("error", { points: error })}`) : null;
  return element("span", { class: "worth", title: help }, element("b", {}, values.percent), give);
}

/** Results of the same words become one, [{hit, same}]: the first of them, and how many there are. */
export function grouped({ results }) {
  const groups = new Map();
  for (const hit of results) {
    const key = hit.text ?? hit.id;
    const group = groups.get(key);
    if (group) group.same++;
    else groups.set(key, { hit, same: 1 });
  }
  return [...groups.values()];
}

function resultCard({ hit, same }, onWhy) {
  const again = same > 1 ? element("span", { class: "same" }, ` ${say("same", { n: same })}`) : null;
  const why = element(
    "button",
    { type: "button", class: "plain", "aria-label": say("whyOf", { id: hit.id }), onclick: () => onWhy(hit) },
    say("why"),
  );
  return card(hit, { figure: worth(hit), probability: hit.match_probability, again, action: why });
}

/** Above this share of the items that got a probability, others would have had a good one too. */
const FULL = 0.5;

/** "About 14 matches expected": a decimal where there are few, "more than" where more would have been found. */
export function expected({ expected_matches: sum, ranked }, total) {
  const digits = sum < 10 ? 1 : 0;
  const values = { n: Number(sum.toFixed(digits)), shown: number(sum, digits) };
  const isCutOff = ranked < total && sum > FULL * ranked;
  const line = element("strong", {
    title: say(isCutOff ? "expectedMoreHelp" : "expectedHelp", { ranked: number(ranked) }),
  });
  line.textContent = sum < 1 ? say("expectedNone") : say(isCutOff ? "expectedMore" : "expected", values);
  return line;
}

export function refusal(found) {
  const { reason } = found.no_match;
  const best = percent(found.results[0]?.match_probability ?? 0);
  const rest = found.results.length ? element("p", {}, say("nearest"), ":") : null;
  return element(
    "div",
    { class: "nothing" },
    element("h2", {}, say("noMatch")),
    element("p", {}, say(reason, { best })),
    rest,
  );
}

/** The list of these groups. */
export const listed = (groups, onWhy) =>
  listOf(
    groups[0]?.hit.modality,
    groups.map((group) => resultCard(group, onWhy)),
  );

/** Fade what is below a threshold (0 to 1), and draw the line where `shown` is a list. */
export function divide(shown, threshold) {
  shown.querySelector(".line")?.remove();
  const all = [...shown.querySelectorAll("[data-probability]")];
  const isBelow = (each) => Number(each.dataset.probability) < threshold;
  for (const each of all) each.classList.toggle("below", isBelow(each));
  const first = all.find(isBelow);
  if (first?.matches(".card"))
    first.before(element("li", { class: "line" }, say("below", { threshold: share(threshold) })));
}

/** A slider over the probabilities that were found, each a tick. */
export function thresholdSlider(found, value, onMove) {
  const ticks = found.results.map((hit) => styled(element("i", {}), { left: `${100 * hit.match_probability}%` }));
  const shown = element("output", { for: "threshold" }, share(value / 100));
  const slider = element("input", { id: "threshold", type: "range", min: 0, max: 100, step: 1, value });
  slider.addEventListener("input", () => {
    shown.textContent = slider.ariaValueText = share(slider.value / 100);
    onMove(Number(slider.value));
  });
  slider.ariaValueText = shown.textContent;
  const label = element("label", { for: "threshold" }, say("threshold"), " ", shown);
  return element(
    "div",
    { class: "threshold" },
    label,
    element("div", { class: "ticked" }, element("div", { class: "ticks", "aria-hidden": "true" }, ...ticks), slider),
  );
}
