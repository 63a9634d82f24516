// What the page shows is its address, so that a search can be shared and Back works.

const DEFAULTS = {
  view: "search",
  text: "",
  image_id: "",
  gallery: "",
  threshold: "50",
  as: "list",
  list: "all",
  modality: "image",
  order: "desc",
  from: "",
  to: "",
  filter: "",
};

/** Where the reader is: every field of `DEFAULTS`, and `upload`, the number of a picture that this page still holds. */
export function here() {
  const given = new URLSearchParams(location.search);
  const known = Object.keys(DEFAULTS).map((name) => [name, given.get(name) ?? DEFAULTS[name]]);
  return { ...Object.fromEntries(known), upload: history.state?.upload ?? null };
}

/** The address of a place; what is as usual is left out. */
export function addressOf(place) {
  const told = Object.keys(DEFAULTS).filter((name) => (place[name] ?? DEFAULTS[name]) !== DEFAULTS[name]);
  const values = new URLSearchParams(told.map((name) => [name, place[name]]));
  return told.length ? `/?${values}` : "/";
}

const kept = () => {
  const { gallery, threshold } = here();
  return { gallery, threshold };
};

/** The address of a search from these words, or from this picture of the gallery; gallery and threshold stay. */
export const fromText = (text) => addressOf({ ...kept(), text });
export const fromPicture = (image_id) => addressOf({ ...kept(), image_id });
export const fromItem = (item) => (item.modality === "image" ? fromPicture(item.id) : fromText(item.text));

/** Make it the current address. */
export function go(place, { replace = false } = {}) {
  const state = place.upload === null || place.upload === undefined ? null : { upload: place.upload };
  history[replace ? "replaceState" : "pushState"](state, "", addressOf(place));
}
