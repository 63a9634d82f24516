// Words and numbers in the reader's language.

import { LANGUAGES } from "./languages.js";

const known = (language) => (language in LANGUAGES ? language : null);
let language = known(localStorage.getItem("language")) ?? known(navigator.language.split("-")[0]) ?? "en";

export const current = () => language;

export function speak(wanted) {
  language = wanted;
  localStorage.setItem("language", wanted);
}

/** A message of languages.js with its {places} filled; one with forms by number is chosen by `n` (and shows `n` or `shown`). */
export function say(key, values = {}) {
  const message = LANGUAGES[language][key];
  const form = typeof message === "string" ? message : message[new Intl.PluralRules(language).select(values.n)];
  return form.replace(/\{(\w+)\}/g, (_, name) => (name === "n" ? (values.shown ?? number(values.n)) : values[name]));
}

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

/** Three significant digits. */
export const precise = (value) => new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }).format(value);

/** A place among 100, rounded down: nothing is vaguer than all. */
export const place = (value) => share(Math.floor(value) / 100);

export const share = (value) => new Intl.NumberFormat(language, { style: "percent" }).format(value);

/** A probability: never rounded to certainty, in either direction. */
export function percent(probability) {
  if (probability > 0 && probability < 0.01) return `< ${share(0.01)}`;
  if (probability < 1 && probability > 0.99) return `> ${share(0.99)}`;
  return share(probability);
}

export const date = (iso) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(iso));

/** All that the document says by itself: `data-t` is its text, `data-t-label`, `-title` and `-placeholder` attributes. */
export function translate(root) {
  document.documentElement.lang = language;
  document.title = say("title");
  for (const each of root.querySelectorAll("[data-t]")) each.textContent = say(each.dataset.t);
  for (const each of root.querySelectorAll("[data-t-label]")) each.setAttribute("aria-label", say(each.dataset.tLabel));
  for (const each of root.querySelectorAll("[data-t-title]")) each.title = say(each.dataset.tTitle);
  for (const each of root.querySelectorAll("[data-t-placeholder]")) each.placeholder = say(each.dataset.tPlaceholder);
}
