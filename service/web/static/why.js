// Why a result stands where it does: what the model looked at on both sides, and all figures.

import { attention, pictureOf } from "./api.js";
import { element, styled } from "./dom.js";
import { points } from "./results.js";
import { number, percent, precise, say } from "./say.js";

const BRANCHES = ["mean", "variance", "plain"];

function heat(weights, { width, height }, colour) {
  const canvas = element("canvas", { width, height, "aria-hidden": "true" });
  const paint = canvas.getContext("2d");
  const most = Math.max(...weights);
  paint.fillStyle = colour;
  weights.forEach((weight, at) => {
    paint.globalAlpha = 0.85 * (weight / most);
    paint.fillRect(at % width, Math.floor(at / width), 1, 1);
  });
  return canvas;
}

function onPicture(seen, source, alt, branch) {
  const frame = element("div", { class: "seen" }, element("img", { src: source, alt }));
  const weights = seen?.[branch];
  if (weights && seen.grid) {
    const styles = Object.fromEntries(Object.entries(seen.area).map(([name, value]) => [name, `${100 * value}%`]));
    frame.append(styled(heat(weights, seen.grid, probed(branch)), styles));
  }
  return frame;
}

/** A custom property that holds light-dark() is resolved by the browser only where it is used. */
function probed(branch) {
  const probe = styled(element("i", { hidden: true }), { color: `var(--${branch})` });
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function onWords(seen, text, branch) {
  if (!seen?.words?.length)
    return element("p", { class: "echo" }, text ?? "", seen ? element("small", {}, say("noWords")) : null);
  const weights = seen[branch];
  const most = weights ? Math.max(...weights) : 1;
  const marks = seen.words.map((word, at) =>
    styled(element("mark", { class: `of-${branch}` }, word), { "--strength": weights ? weights[at] / most : 0 }),
  );
  return element("p", { class: "echo" }, ...marks.flatMap((each) => [each, " "]));
}

const side = (title, inside) => element("section", {}, element("h3", {}, title), inside);

function figures(hit, query) {
  const error = hit.standard_error ? ` ± ${points(hit.standard_error)}` : "";
  const rows = [
    ["probability", percent(hit.match_probability) + error],
    ["rawProbability", percent(hit.raw_match_probability)],
    ["distance", precise(hit.mean_distance)],
    ["sigma", precise(hit.uncertainty.sigma)],
    ["sigmaQuery", precise(query.uncertainty.sigma)],
    ["rank", number(hit.rank)],
  ];
  return element(
    "dl",
    {},
    ...rows.flatMap(([name, value]) => [element("dt", {}, say(name)), element("dd", {}, value)]),
  );
}

/** Both sides, as one branch of the model sees them. */
function sides({ question, query, hit, ofQuery, ofHit, upload }, branch) {
  const asked =
    query.text !== null
      ? side(say("queryText"), onWords(ofQuery, query.text, branch))
      : side(
          say("queryPicture"),
          onPicture(ofQuery, upload ?? pictureOf(question.image_id), say("queryPicture"), branch),
        );
  const found =
    hit.text !== null
      ? side(hit.id, onWords(ofHit, hit.text, branch))
      : side(hit.id, onPicture(ofHit, hit.image_url, say("pictureOf", { id: hit.id }), branch));
  const missing =
    branch === "variance" && ofHit && !ofHit.variance ? element("p", { class: "notice" }, say("noVariance")) : null;
  return [asked, found, missing].filter(Boolean);
}

function choice(chosen, onChange) {
  const radios = BRANCHES.map((branch) => {
    const radio = element("input", {
      type: "radio",
      name: "branch",
      value: branch,
      checked: branch === chosen,
      onchange: () => onChange(branch),
    });
    return element("label", { class: `of-${branch}` }, radio, say(branch));
  });
  return element("fieldset", { class: "choice" }, element("legend", {}, say("lookAt")), ...radios);
}

/** Open the dialog; `tell` gets what goes wrong on the way. */
export async function why(dialog, question, query, hit, tell) {
  const upload = question.image ? URL.createObjectURL(question.image) : null;
  const state = { question, query, hit, upload, ofQuery: null, ofHit: null };
  let branch = BRANCHES[0];
  const both = element("div", { class: "sides" });
  const draw = () => both.replaceChildren(...sides(state, branch));
  const close = element("button", { type: "button", class: "plain", onclick: () => dialog.close() }, say("close"));
  dialog.replaceChildren(
    element(
      "header",
      {},
      element("h2", { id: "why-title" }, say("whyTitle", { percent: percent(hit.match_probability) })),
      close,
    ),
    choice(branch, (chosen) => ((branch = chosen), draw())),
    both,
    element("p", { class: "help" }, say("attentionHelp")),
    element("h3", {}, say("figures")),
    figures(hit, query),
  );
  draw();
  dialog.showModal();
  const over = new AbortController();
  dialog.addEventListener("close", () => (over.abort(), upload && URL.revokeObjectURL(upload)), { once: true });
  try {
    [state.ofQuery, state.ofHit] = await Promise.all([
      attention(question, over.signal),
      attention({ image_id: hit.id }, over.signal),
    ]);
    draw();
  } catch (problem) {
    if (problem.name !== "AbortError") both.append(element("p", { class: "notice" }, tell(problem)));
  }
}
