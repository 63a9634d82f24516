// Ways to ask: typing, Enter, a picture that is picked, dropped or pasted.

import { byId } from "./dom.js";

const PAUSE_MS = 300;

/** `onTyped` gets a text when typing pauses, `onEntered` one with Enter, `onPicture` a file. */
export function listen({ onTyped, onEntered, onPicture }) {
  const field = byId("text");
  let resting;
  field.addEventListener("input", () => {
    clearTimeout(resting);
    resting = setTimeout(() => onTyped(field.value), PAUSE_MS);
  });
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(resting);
    onEntered(field.value);
  });
  byId("image").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    target.value = ""; // So that the same file can be picked again.
    if (file) onPicture(file);
  });
  addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file) onPicture(file);
  });
  listenForDrops(onPicture);
}

function listenForDrops(onPicture) {
  const hasFile = (event) => event.dataTransfer?.types.includes("Files");
  const show = (isOver) => (byId("drop").hidden = !isOver);
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    show(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget || show(false));
  addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    show(false);
    onPicture(event.dataTransfer.files[0]);
  });
}
