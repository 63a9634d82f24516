// The page: its address says what is shown; this module asks for it and has it shown.

import { choose, Problem, search, words } from "./api.js";
import { addressOf, go, here } from "./address.js";
import { focusCard, hideAnswer, setBusy, showAnswer } from "./answer.js";
import { listen } from "./asking.js";
import { browse } from "./browse.js";
import { byId } from "./dom.js";
import { showQuery, showWords } from "./query.js";
import { say } from "./say.js";
import { offerSettings, server } from "./settings.js";
import { start } from "./start.js";
import { tell, tellProblem, waiting } from "./status.js";

const WORDS_PAUSE_MS = 500;
/** Cards to begin with, and more at a time. */
const PAGE = 24;
/** Captions that are asked for at once: many are the same words, and become one card. */
const CAPTIONS = 200;

/** Pictures that were dropped, pasted or picked; the address has their number. */
const uploads = [];
/** Ends whatever was asked for what is no longer shown. */
let turn = new AbortController();
/** Whether the current address was made by typing, so that the next letter replaces it. */
let typing = false;

async function render() {
  turn.abort();
  turn = new AbortController();
  const { signal } = turn;
  const at = here();
  choose(at.gallery || null);
  showPlace(at);
  const over = waiting(signal);
  setBusy(true);
  try {
    await (at.view === "gallery" ? showGallery(at, signal) : showSearch(at, signal, over));
  } catch (problem) {
    if (!signal.aborted) fail(problem, at);
  } finally {
    over();
    if (!signal.aborted) setBusy(false);
  }
}

function fail(problem, at = here()) {
  if (problem.name === "AbortError") return;
  if (at.view === "search") hideSearch();
  tellProblem(problem, turn.signal, render);
}

function hideSearch() {
  hideAnswer();
  byId("query").hidden = true;
}

/** What does not come from the server: which view it is, what stands in the field. */
function showPlace(at) {
  const isSearch = at.view === "search";
  for (const link of document.querySelectorAll("nav [data-view]")) {
    link.toggleAttribute("aria-current", link.dataset.view === at.view);
    link.href = addressOf({ gallery: at.gallery, view: link.dataset.view });
  }
  byId("search").hidden = !isSearch;
  if (isSearch) byId("browse").hidden = true;
  else {
    hideSearch();
    byId("start").hidden = true;
  }
  if (!typing) byId("text").value = at.text;
}

async function showGallery(at, signal) {
  await browse(byId("browse"), at, signal, move, fail);
  tell();
}

function questionAt(at) {
  if (at.text.trim()) return { text: at.text };
  if (at.image_id) return { image_id: at.image_id };
  return at.upload === null ? null : { image: uploads[at.upload] };
}

async function showSearch(at, signal, over, count = PAGE) {
  const question = questionAt(at);
  if (!question) return showStart(signal, over);
  if ("image" in question && !question.image) return showLost();
  // Its limits are needed for what is asked, and for whether there is more.
  await server.known;
  const found = await search(question, optionsFor(at, question, count), signal);
  over();
  byId("start").hidden = true;
  showQuery(byId("query"), found.query, question.image);
  const total = server.counts?.[found.direction === "text-to-image" ? "image" : "text"] ?? Infinity;
  const onMore = count < most() ? () => showMore(at, count) : null;
  showAnswer(found, question, { count, total, onMore, onShownAs: (as) => move({ as }, { replace: true }) });
  if ("text" in question) explainWords(question.text, found.no_match === null, signal);
}

/** The most that the server answers with. */
const most = () => server.info?.limits.top_k ?? PAGE;

function optionsFor(at, question, count) {
  const wanted = "text" in question ? count : CAPTIONS;
  return { top_k: Math.min(wanted, most()), ...(at.as === "plane" && { projection: true }) };
}

async function showMore(at, count) {
  try {
    await showSearch(at, turn.signal, () => {}, count + PAGE);
    focusCard(count);
  } catch (problem) {
    fail(problem);
  }
}

async function showStart(signal, over) {
  hideSearch();
  tell();
  await server.known;
  over();
  await start(byId("start"), server.counts?.text ?? 0, signal);
}

function showLost() {
  hideSearch();
  tell(say("pictureGone"));
}

/** A moment later, so that nobody who still types waits for it. */
async function explainWords(text, isUnderstood, signal) {
  await new Promise((resolve) => setTimeout(resolve, WORDS_PAUSE_MS));
  if (signal.aborted) return;
  try {
    showWords(byId("query"), await words(text, signal), isUnderstood);
  } catch (problem) {
    // The search has its answer: what could be added to it is not worth an alarm, unless it is a bug of the page.
    if (!(problem instanceof Problem) && problem.name !== "AbortError") throw problem;
  }
}

/** Go to another place; gallery, threshold and way to show stay where nothing else is said. */
function move(change, options) {
  typing = false;
  go({ ...here(), ...change }, options);
  render();
}

function ask(question, options) {
  const { gallery, threshold, as } = here();
  go({ gallery, threshold, as, ...question }, options);
  render();
}

function onTyped(text) {
  const replace = typing;
  typing = true;
  ask({ text }, { replace });
}

function onEntered(text) {
  const replace = typing || here().text === text;
  typing = false;
  ask({ text }, { replace });
}

function onPicture(file) {
  if (!file.type.startsWith("image/"))
    return tellProblem(new Problem("refused", say("notAPicture")), turn.signal, render);
  typing = false;
  ask({ upload: uploads.push(file) - 1 });
}

/** Links of this page are followed without loading it again. */
function onClick(event) {
  const link = event.target.closest("a[data-go]");
  const isSpecial = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!link || event.defaultPrevented || isSpecial) return;
  event.preventDefault();
  typing = false;
  history.pushState(null, "", link.getAttribute("href"));
  scrollTo({ top: 0 });
  render();
}

listen({ onTyped, onEntered, onPicture });
document.addEventListener("click", onClick);
addEventListener("popstate", () => ((typing = false), render()));
addEventListener("online", () => document.body.classList.contains("offline") && render());
offerSettings({ onLanguage: render, onGallery: (gallery) => move({ gallery }) });
render();
