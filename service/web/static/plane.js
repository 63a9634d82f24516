// Query and results as ellipses in the plane that the service computed: one σ wide.

import { fromItem } from "./address.js";
import { drawn, element } from "./dom.js";
import { sized } from "./pictures.js";
import { percent, say, share } from "./say.js";

const ZOOM = 1.25;
const STEP = 0.12;
const MARGIN = 0.08;

/** Half axes and angle (degrees) of the one-σ ellipse of a covariance [xx, xy, yy]. */
export function axes([xx, xy, yy]) {
  const middle = (xx + yy) / 2;
  const apart = Math.hypot((xx - yy) / 2, xy);
  const angle = (Math.atan2(2 * xy, xx - yy) * 90) / Math.PI;
  return { long: Math.sqrt(middle + apart), short: Math.sqrt(Math.max(middle - apart, 0)), angle };
}

// Upwards is more in the plane, and less on a screen.
function ellipse({ x, y, covariance: [xx, xy, yy] }, of) {
  const { long, short, angle } = axes([xx, -xy, yy]);
  return drawn("ellipse", { class: of, rx: long, ry: short, transform: `translate(${x} ${-y}) rotate(${angle})` });
}

function around(spots) {
  const reach = spots.map(({ x, y, covariance }) => ({ x, y: -y, by: axes(covariance).long }));
  const left = Math.min(...reach.map(({ x, by }) => x - by));
  const right = Math.max(...reach.map(({ x, by }) => x + by));
  const top = Math.min(...reach.map(({ y, by }) => y - by));
  const bottom = Math.max(...reach.map(({ y, by }) => y + by));
  const side = Math.max(right - left, bottom - top, 1e-6) * (1 + 2 * MARGIN);
  return { x: (left + right) / 2, y: (top + bottom) / 2, side };
}

function mark(spot, hit, size, tell) {
  const name = say("planeItem", { id: hit.text ?? hit.id, percent: percent(hit.match_probability) });
  const link = drawn("a", {
    href: fromItem(hit),
    "data-go": true,
    "aria-label": name,
    class: "spot",
    "data-probability": hit.match_probability,
    onfocus: () => tell(name),
    onpointerenter: () => tell(name),
  });
  const shape = ellipse(spot, "result");
  shape.style.setProperty("--probability", hit.match_probability);
  const inside = hit.image_url
    ? drawn("image", { href: sized(hit.image_url, 64), "data-size": size, "data-x": spot.x, "data-y": -spot.y })
    : drawn("circle", { "data-size": size / 3, cx: spot.x, cy: -spot.y });
  link.append(inside, shape);
  return link;
}

class Camera {
  constructor(picture, spots) {
    Object.assign(this, { picture, whole: around(spots) });
    this.back();
  }

  back() {
    this.to({ ...this.whole });
  }

  zoom(by, { x, y } = this.at) {
    const { side } = this.at;
    this.to({ x: x + (this.at.x - x) / by, y: y + (this.at.y - y) / by, side: side / by });
  }

  move(right, down) {
    this.to({ ...this.at, x: this.at.x + right * this.at.side, y: this.at.y + down * this.at.side });
  }

  /** Look at a square; pictures and points keep their size on the screen. */
  to(at) {
    this.at = at;
    const { x, y, side } = at;
    this.picture.setAttribute("viewBox", `${x - side / 2} ${y - side / 2} ${side} ${side}`);
    for (const each of this.picture.querySelectorAll("[data-size]")) {
      const size = Number(each.dataset.size) * side;
      if (each.tagName === "circle") each.setAttribute("r", size / 2);
      else
        for (const [name, value] of Object.entries({
          x: each.dataset.x - size / 2,
          y: each.dataset.y - size / 2,
          width: size,
          height: size,
        }))
          each.setAttribute(name, value);
    }
  }

  point({ clientX, clientY }) {
    const { left, top, width, height } = this.picture.getBoundingClientRect();
    const side = this.at.side / Math.min(width, height);
    return { x: this.at.x + (clientX - left - width / 2) * side, y: this.at.y + (clientY - top - height / 2) * side };
  }
}

const KEYS = {
  "+": (camera) => camera.zoom(ZOOM),
  "=": (camera) => camera.zoom(ZOOM),
  "-": (camera) => camera.zoom(1 / ZOOM),
  0: (camera) => camera.back(),
  ArrowLeft: (camera) => camera.move(-STEP, 0),
  ArrowRight: (camera) => camera.move(STEP, 0),
  ArrowUp: (camera) => camera.move(0, -STEP),
  ArrowDown: (camera) => camera.move(0, STEP),
};

function steer(picture, camera) {
  picture.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
    if (act) event.preventDefault();
    act?.(camera);
  });
  picture.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      camera.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, camera.point(event));
    },
    { passive: false },
  );
  drag(picture, camera);
}

/** Drag to move; what began as a drag does not follow the link under it. */
function drag(picture, camera) {
  let from = null;
  let moved = false;
  picture.addEventListener("pointerdown", (event) => ([from, moved] = [camera.point(event), false]));
  picture.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const to = camera.point(event);
    moved ||= Math.hypot(to.x - from.x, to.y - from.y) > camera.at.side / 100;
    camera.to({ ...camera.at, x: camera.at.x + from.x - to.x, y: camera.at.y + from.y - to.y });
  });
  picture.addEventListener("pointerup", () => (from = null));
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  picture.addEventListener("click", (event) => moved && (event.preventDefault(), event.stopPropagation()), true);
}

const button = (name, sign, act) =>
  element("button", { type: "button", class: "plain", "aria-label": say(name), title: say(name), onclick: act }, sign);

/** A figure of an answer that has a projection. */
export function plane(found) {
  const { query, results, explained } = found.projection;
  const told = element("p", { class: "told", "aria-live": "polite" }, " ");
  const picture = drawn("svg", { class: "plane", role: "group", tabindex: 0, "aria-label": say("plane") });
  const size = found.direction === "image-to-text" ? 0.03 : 0.05;
  const marks = results.map((spot, at) => mark(spot, found.results[at], size, (name) => (told.textContent = name)));
  const asked = drawn(
    "g",
    { class: "asked" },
    ellipse(query, "query"),
    drawn("circle", { "data-size": 0.02, cx: query.x, cy: -query.y }),
    drawn("title", {}, say("planeQuery")),
  );
  picture.append(...marks.reverse(), asked);
  const camera = new Camera(picture, [query, ...results]);
  steer(picture, camera);
  const tools = element(
    "p",
    { class: "tools" },
    button("zoomIn", "+", () => camera.zoom(ZOOM)),
    button("zoomOut", "−", () => camera.zoom(1 / ZOOM)),
    button("zoomBack", "⤢", () => camera.back()),
  );
  return element(
    "figure",
    { class: "planar" },
    tools,
    picture,
    told,
    element("figcaption", {}, say("planeHelp", { percent: share(explained) })),
  );
}
