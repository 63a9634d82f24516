// The gallery itself: by uncertainty, and what is odd about it.

import { byUncertainty, histogram, oddities, pictureOf, Problem } from "./api.js";
import { card, listOf } from "./cards.js";
import { drawn, element } from "./dom.js";
import { picture } from "./pictures.js";
import { date, number, percent, precise, say } from "./say.js";

const PAGE = 24;

/** A filter as it is typed, field=value with blanks between, as the service takes it: JSON. Numbers and true are not text. */
export function asFilter(typed) {
  const pairs = [...typed.matchAll(/([^\s=]+)=("[^"]*"|\S+)/g)].map(([, field, value]) => [field, valueOf(value)]);
  return pairs.length ? JSON.stringify(Object.fromEntries(pairs)) : null;
}

function valueOf(written) {
  if (written.startsWith('"')) return written.slice(1, -1);
  if (/^(true|false|-?\d+(\.\d+)?)$/.test(written)) return JSON.parse(written);
  return written;
}

function options(name, chosen, values, onChange) {
  const all = values.map((value) => element("option", { value, selected: value === chosen }, say(`${name}_${value}`)));
  const choice = element(
    "select",
    { id: `browse-${name}`, onchange: (event) => onChange({ [name]: event.target.value }) },
    ...all,
  );
  return element("label", {}, say(name === "list" ? "show" : name), " ", choice);
}

/** A field and a value that this item has, as a filter is typed; the first there is, label before metadata. */
export function exampleOf({ label, meta }) {
  const pairs = [["label", label], ...flattened(meta)];
  const [field, value] = pairs.find(([, each]) => each !== null && typeof each !== "object") ?? ["label", "rose"];
  return `${field}=${/[\s=]/.test(value) ? `"${value}"` : value}`;
}

const flattened = (meta, before = "") =>
  Object.entries(meta ?? {}).flatMap(([name, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? flattened(value, `${before}${name}.`)
      : [[before + name, value]],
  );

function filterForm(at, first, onChange) {
  const help = say("filterHelp", { example: exampleOf(first ?? {}) });
  const field = element("input", { id: "browse-filter", value: at.filter, placeholder: help, title: help });
  const submit = (event) => (event.preventDefault(), onChange({ filter: field.value.trim() }));
  return element("form", { onsubmit: submit }, element("label", {}, say("filter"), " ", field));
}

function controls(at, first, onChange) {
  const parts = [
    options("list", at.list, ["all", "mismatched", "hubs"], onChange),
    options("modality", at.modality, ["image", "text"], onChange),
  ];
  if (at.list === "all")
    parts.push(options("order", at.order, ["desc", "asc"], onChange), filterForm(at, first, onChange));
  return element("div", { class: "controls" }, ...parts);
}

function bars({ counts, edges }, at) {
  const most = Math.max(...counts, 1);
  const outside = (low, high) => (at.from !== "" && high <= Number(at.from)) || (at.to !== "" && low >= Number(at.to));
  const all = counts.map((count, bin) => {
    const height = (100 * count) / most;
    const shape = {
      x: bin + 0.08,
      y: 100 - height,
      width: 0.84,
      height,
      class: outside(edges[bin], edges[bin + 1]) ? "out" : null,
    };
    const told = `σ ${precise(edges[bin])}–${precise(edges[bin + 1])}: ${number(count)}`;
    return drawn("rect", shape, drawn("title", {}, told));
  });
  return drawn(
    "svg",
    {
      class: "bars",
      viewBox: `0 0 ${counts.length} 100`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": say("histogram", { kind: say(`kind_${at.modality}`) }),
    },
    ...all,
  );
}

/** Two sliders under the histogram, over its edges; the ends stand for "all". */
function range({ edges }, at, onChange) {
  const last = edges.length - 1;
  const nearest = (value) => edges.findIndex((edge) => edge >= Number(value));
  const places = [at.from === "" ? 0 : nearest(at.from), at.to === "" || nearest(at.to) < 0 ? last : nearest(at.to)];
  const told = (where) => precise(edges[where]);
  const slider = (name, key, place) => {
    const shown = element("output", {}, told(place));
    const input = element("input", { id: `browse-${name}`, type: "range", min: 0, max: last, value: place });
    input.ariaValueText = told(place);
    input.addEventListener("input", () => (shown.textContent = input.ariaValueText = told(input.value)));
    input.addEventListener("change", () => {
      const end = name === "from" ? 0 : last;
      onChange({ [name]: Number(input.value) === end ? "" : String(edges[input.value]) });
    });
    return element("label", {}, say(key), " ", input, " ", shown);
  };
  return element(
    "div",
    { class: "range-of" },
    slider("from", "sigmaFrom", places[0]),
    slider("to", "sigmaTo", places[1]),
  );
}

const entry = (item, ...more) => card(item, { figure: element("b", {}, `σ ${precise(item.uncertainty.sigma)}`), more });

const fits = (probability) => element("p", { class: "help" }, say("fits", { percent: percent(probability) }));

/** A picture with its captions, each with its probability, or a caption beside its picture. */
function mismatched({ item, captions, match_probability: worst }) {
  if (item.modality === "text") {
    const whose = picture(pictureOf(item.image_id), say("pictureOf", { id: item.image_id }), 96);
    return entry(item, element("div", { class: "whose" }, whose, fits(worst)));
  }
  const worstFirst = [...captions].sort((one, other) => one.match_probability - other.match_probability);
  const own = worstFirst.map(({ text, match_probability: each }) =>
    element("li", {}, element("b", {}, percent(each)), " ", text),
  );
  return entry(item, element("ul", { class: "own", "aria-label": say("own") }, ...own));
}

const hub = ({ item, occurrences, expected }) =>
  entry(item, element("p", { class: "help" }, say("occurrences", { n: occurrences, expected: number(expected, 1) })));

async function fetched(at, offset, signal) {
  if (at.list !== "all") {
    const page = await oddities({ kind: at.list, modality: at.modality, limit: PAGE, offset }, signal);
    return { ...page, entries: page.items.map(at.list === "hubs" ? hub : mismatched) };
  }
  const wanted = {
    modality: at.modality,
    order: at.order,
    limit: PAGE,
    offset,
    min_sigma: at.from,
    max_sigma: at.to,
    filter: asFilter(at.filter),
  };
  const page = await byUncertainty(wanted, signal);
  return { ...page, entries: page.items.map((item) => entry(item)) };
}

function help(at, page) {
  if (at.list === "all") return null;
  const stale = page.current ? "" : ` ${say("stale", { date: date(page.created) })}`;
  return element("p", { class: "help" }, say(`${at.list}Help`) + stale);
}

function pageOf(at, first, signal, onProblem) {
  const list = listOf(at.modality, first.entries);
  const more = element(
    "button",
    {
      type: "button",
      class: "more",
      onclick: async () => {
        try {
          const next = await fetched(at, list.children.length, signal);
          list.append(...next.entries);
          more.hidden = list.children.length >= next.total || !next.entries.length;
        } catch (problem) {
          onProblem(problem);
        }
      },
    },
    say("more"),
  );
  more.hidden = first.entries.length >= first.total;
  const empty = first.total ? null : element("p", { class: "nothing" }, say("nothingToShow"));
  return [
    element("p", { class: "count" }, say("total", { n: first.total })),
    help(at, first),
    empty,
    list,
    more,
  ].filter(Boolean);
}

/** Show a part of the gallery in `box`; `onChange` gets what the reader chose otherwise. */
export async function browse(box, at, signal, onChange, onProblem) {
  const spread = at.list === "all" ? histogram(at.modality, signal) : null;
  try {
    const [first, sigmas] = await Promise.all([fetched(at, 0, signal), spread]);
    const distribution = sigmas?.total
      ? element("div", { class: "sigmas" }, bars(sigmas, at), range(sigmas, at, onChange))
      : null;
    show(box, [
      controls(at, first.items[0]?.item ?? first.items[0], onChange),
      distribution,
      ...pageOf(at, first, signal, onProblem),
    ]);
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    const noAudit = problem instanceof Problem && problem.status === 404 && at.list !== "all";
    show(box, [controls(at, null, onChange), noAudit ? element("p", { class: "nothing" }, say("noAudit")) : null]);
    if (!noAudit) throw problem;
  }
}

/** Replace what is shown; the control that had the focus keeps it. */
function show(box, parts) {
  const focused = box.contains(document.activeElement) ? document.activeElement.id : null;
  box.replaceChildren(element("h1", { class: "hidden" }, say("browseTitle")), ...parts.filter(Boolean));
  box.hidden = false;
  if (focused) document.getElementById(focused)?.focus();
}
