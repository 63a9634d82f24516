// Pictures of the gallery, in the size that is shown.

import { element } from "./dom.js";

const SIDES = [160, 256];

/** The address of a picture whose longest side is this many pixels. */
export function sized(url, side) {
  const found = new URL(url, location.origin);
  found.searchParams.set("side", side);
  return found.pathname + found.search;
}

/** An <img> of this many CSS pixels; fetched when it comes near the screen. */
export const picture = (url, alt, pixels) =>
  element("img", {
    src: sized(url, SIDES.at(-1)),
    srcset: SIDES.map((side) => `${sized(url, side)} ${side}w`).join(", "),
    sizes: `${pixels}px`,
    alt,
    loading: "lazy",
    decoding: "async",
  });
