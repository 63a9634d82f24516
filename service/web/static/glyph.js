// One sign for both numbers: the ring fills with the probability, the disc has an edge as soft as the σ is large.

import { drawn } from "./dom.js";

const RADIUS = 20;
const ROUND = 2 * Math.PI * RADIUS;
let made = 0;

/** How soft: 0.05 for the most certain of the gallery, 0.95 for the vaguest. */
const softness = (percentile) => 0.05 + 0.9 * ((percentile ?? 50) / 100);

/** A sign of 48 by 48; `probability` null leaves the ring out. */
export function glyph(probability, percentile) {
  const id = `edge-${made++}`;
  const edge = drawn(
    "radialGradient",
    { id },
    drawn("stop", { offset: 1 - softness(percentile), class: "core" }),
    drawn("stop", { offset: 1, class: "rim" }),
  );
  const ring = drawn("circle", { class: "track", cx: 24, cy: 24, r: RADIUS });
  const filled = drawn("circle", {
    class: "filled",
    cx: 24,
    cy: 24,
    r: RADIUS,
    transform: "rotate(-90 24 24)",
    "stroke-dasharray": `${ROUND * (probability ?? 0)} ${ROUND}`,
  });
  return drawn(
    "svg",
    { class: "glyph", viewBox: "0 0 48 48", "aria-hidden": "true" },
    drawn("defs", {}, edge),
    drawn("circle", { cx: 24, cy: 24, r: 15, fill: `url(#${id})` }),
    ...(probability === null ? [] : [ring, filled]),
  );
}
