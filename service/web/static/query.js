// What was asked, how vague that is, and which words make it so.

import { fromText } from "./address.js";
import { element, styled } from "./dom.js";
import { pictureOf } from "./api.js";
import { picture } from "./pictures.js";
import { place, precise, say, share } from "./say.js";

/** Below it a change of σ is not worth a word: one per cent. */
const LEAST_CHANGE = 0.01;
/** From this percentile on a query is called vague. */
const VAGUE = 75;

const rises = (change) => share(1 - Math.exp(-change));
const falls = (change) => share(Math.exp(-change) - 1);

function aboutWord({ word, change }) {
  if (Math.abs(change) < LEAST_CHANGE) return say("wordNothing", { word });
  return change > 0
    ? say("wordRaises", { word, percent: rises(change) })
    : say("wordLowers", { word, percent: falls(change) });
}

function marked(text, words) {
  const most = Math.max(...words.map((each) => Math.abs(each.change)), LEAST_CHANGE);
  const letters = [...text]; // The service counts code points.
  const pieces = [];
  let done = 0;
  for (const each of words) {
    const strength = Math.abs(each.change) < LEAST_CHANGE ? 0 : Math.abs(each.change) / most;
    const word = element("mark", { class: each.change > 0 ? "raises" : "lowers", title: aboutWord(each) });
    word.textContent = letters.slice(each.start, each.end).join("");
    pieces.push(letters.slice(done, each.start).join(""), styled(word, { "--strength": strength }));
    done = each.end;
  }
  return [...pieces, letters.slice(done).join("")];
}

/** In a sentence each: the word that makes it vaguest, and the one that makes it surest. */
function findings(words) {
  const ordered = [...words].sort((one, other) => other.change - one.change);
  const [vaguest, surest] = [ordered[0], ordered.at(-1)];
  const lines = [];
  if (surest?.change <= -LEAST_CHANGE) lines.push(say("carries", { word: surest.word, percent: falls(surest.change) }));
  if (vaguest?.change >= LEAST_CHANGE) lines.push(say("blurs", { word: vaguest.word, percent: rises(vaguest.change) }));
  return lines.map((line) => element("p", {}, line));
}

function meter(uncertainty, modality) {
  const { sigma, percentile } = uncertainty;
  if (percentile === null) return element("p", {}, say("querySigmaPlain", { sigma: precise(sigma) }));
  const label = say("querySigma", { percent: place(percentile), kind: say(`kind_${modality}`) });
  const needle = styled(element("i", {}), { left: `${percentile}%` });
  const scale = element(
    "span",
    { class: "scale" },
    say("sharp"),
    element("span", { class: "range" }, needle),
    say("soft"),
  );
  return element("div", { class: "meter", title: `σ ${precise(sigma)}` }, scale, element("strong", {}, label));
}

function unknown({ unknown_words: words }) {
  if (!words.length) return null;
  const named = words.map((word) => `“${word}”`).join(", ");
  return element("p", { class: "notice" }, say("unknown", { n: words.length, words: named }));
}

function shown(query, upload) {
  if (query.text !== null) return element("p", { class: "echo" }, query.text);
  const source = upload ? URL.createObjectURL(upload) : pictureOf(query.id);
  const alt = upload ? say("queryPicture") : say("queryItem", { id: query.id });
  if (!upload) return picture(source, alt, 96);
  const made = element("img", { src: source, alt });
  made.addEventListener("load", () => URL.revokeObjectURL(source), { once: true });
  return made;
}

/** Show a query in `box`; `upload` is the file that was dropped, where it was one. */
export function showQuery(box, query, upload) {
  box.replaceChildren(
    shown(query, upload),
    element("div", {}, meter(query.uncertainty, query.modality), unknown(query), element("div", { class: "words" })),
  );
  box.hidden = false;
}

/** Add what is known of its words once that has come; what could be said instead, where the query was understood. */
export function showWords(box, { query, words, more_specific: specific }, isUnderstood) {
  box.querySelector(".echo")?.replaceChildren(...marked(query.text, words));
  const suggested = isUnderstood && query.uncertainty.percentile >= VAGUE ? specific : [];
  const chips = suggested.map(({ text }) =>
    element("a", { class: "chip", href: fromText(text), "data-go": true }, text),
  );
  box
    .querySelector(".words")
    .replaceChildren(
      ...findings(words),
      ...(chips.length ? [element("p", {}, say("specific")), element("p", { class: "chips" }, ...chips)] : []),
    );
}
