// What the reader chooses once: language, theme, gallery; and what the server tells of itself.

import { info } from "./api.js";
import { here } from "./address.js";
import { byId, element } from "./dom.js";
import { LANGUAGES } from "./languages.js";
import { current, number, say, speak, translate } from "./say.js";

const THEMES = { "": ["◐", "themeSystem", "light"], light: ["☀", "themeLight", "dark"], dark: ["☾", "themeDark", ""] };

/** What the server told of itself, null until it has; `counts` of the gallery that is searched. */
export const server = { info: null, counts: null, known: null };

function showTheme() {
  const [sign, key] = THEMES[document.documentElement.dataset.theme ?? ""];
  byId("theme").textContent = sign;
  byId("theme").title = say(key);
  byId("theme").setAttribute("aria-label", say(key));
}

function nextTheme() {
  const { dataset } = document.documentElement;
  const [, , next] = THEMES[dataset.theme ?? ""];
  localStorage.setItem("theme", next);
  if (next) dataset.theme = next;
  else delete dataset.theme;
  showTheme();
}

function showLanguage() {
  translate(document);
  showTheme();
  if (server.info) showServer();
}

function offerLanguages(onChange) {
  const all = Object.entries(LANGUAGES).map(([code, { name }]) =>
    element("option", { value: code, lang: code, selected: code === current() }, name),
  );
  byId("language").replaceChildren(...all);
  byId("language").addEventListener("change", ({ target }) => (speak(target.value), showLanguage(), onChange()));
}

function showServer() {
  const { galleries, model, limits } = server.info;
  const name = here().gallery;
  const served = galleries[name] ?? Object.values(galleries).find((each) => each.default);
  server.counts = served.counts;
  const { image, text } = served.counts;
  byId("about").textContent = say("counts", { images: number(image), texts: number(text), words: number(model.words) });
  byId("text").maxLength = limits.characters;
  const all = Object.entries(galleries).map(([each, { default: usual }]) =>
    element("option", { value: usual ? "" : each, selected: usual ? !name : each === name }, each),
  );
  byId("galleries").replaceChildren(...all);
  byId("galleries").parentElement.hidden = all.length < 2;
}

/** Begin; `onLanguage` and `onGallery` are told of another choice. */
export function offerSettings({ onLanguage, onGallery }) {
  byId("theme").addEventListener("click", nextTheme);
  byId("galleries").addEventListener("change", ({ target }) => (onGallery(target.value), showServer()));
  offerLanguages(onLanguage);
  showLanguage();
  // Where the server cannot tell of itself it can be asked all the same; what goes wrong then is told of that question.
  server.known = info().then(
    (told) => ((server.info = told), showServer()),
    () => {},
  );
}
