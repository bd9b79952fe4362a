// The page on the screen: zoom, pan, the slider between two layers, and the pointer.

import { $, state } from "./state.js";

const stage = $("stage");
const NEAR = 4; // pixels that a click may move
const GRIP = 9; // pixels around the slider's edge
const view = { x: 0, y: 0, zoom: 1 };
const pointers = new Map();
let fitted = true;
let drag = null;

/** What the pointer and the keys are to do: place(x, y), stroke(path), drawing(path). */
export const on = { place() {}, stroke() {}, drawing() {}, moved() {} };

const beside = () => state.mode === "beside";
const size = () => ({ width: beside() ? stage.clientWidth / 2 - 2 : stage.clientWidth, height: stage.clientHeight });
const page = () => state.about ?? { width: 1, height: 1 };

/** Shows all of the page. */
export function fit() {
  const { width, height } = size();
  view.zoom = Math.min(width / page().width, height / page().height);
  view.x = (width - page().width * view.zoom) / 2;
  view.y = (height - page().height * view.zoom) / 2;
  fitted = true;
  apply();
}

/** Zooms by a factor about a point of the pane. */
export function zoom(factor, x = size().width / 2, y = size().height / 2) {
  const least = Math.min(size().width / page().width, size().height / page().height) / 2;
  const after = Math.min(Math.max(view.zoom * factor, least), 16);
  view.x = x - ((x - view.x) * after) / view.zoom;
  view.y = y - ((y - view.y) * after) / view.zoom;
  view.zoom = after;
  fitted = false;
  apply();
}

/** Moves the page so that a place is to be seen. */
export function reveal(x, y) {
  const { width, height } = size();
  const at = { x: view.x + x * view.zoom, y: view.y + y * view.zoom };
  if (at.x > 20 && at.x < width - 20 && at.y > 20 && at.y < height - 20) return;
  view.x = width / 2 - x * view.zoom;
  view.y = height / 2 - y * view.zoom;
  fitted = false;
  apply();
}

/** Brings what is shown up to date with zoom, mode and slider. */
export function apply() {
  stage.classList.toggle("beside", beside());
  stage.classList.toggle("one", state.mode === "one");
  for (const sheet of stage.querySelectorAll(".sheet")) {
    sheet.style.width = `${page().width}px`;
    sheet.style.height = `${page().height}px`;
    sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
    sheet.style.setProperty("--unzoom", 1 / view.zoom);
  }
  const value = Number($("slider").value);
  const sliding = state.mode === "slider" && state.about !== null;
  $("pane-left").style.clipPath = sliding ? `inset(0 ${100 - value}% 0 0)` : "none";
  $("edge").hidden = !sliding;
  $("edge").style.left = `${value}%`;
  $("slider").hidden = !sliding;
  on.moved();
}

/** Where a place of the page is on the stage, pixels; on the right of two panes. */
export function onStage(x, y) {
  return { x: view.x + x * view.zoom + (beside() ? stage.clientWidth / 2 + 2 : 0), y: view.y + y * view.zoom };
}

/** Where a point of the window is on the page, and in its pane. */
export function onPage(event) {
  const box = stage.getBoundingClientRect();
  const half = stage.clientWidth / 2 + 2;
  let x = event.clientX - box.left;
  if (beside() && x >= half) x -= half;
  const y = event.clientY - box.top;
  return { x: (x - view.x) / view.zoom, y: (y - view.y) / view.zoom, paneX: x, paneY: y, stageX: event.clientX - box.left };
}

const inside = (at) => at.x >= 0 && at.y >= 0 && at.x < page().width && at.y < page().height;
const others = (event) => event.target.closest("#popover, .mark");

stage.addEventListener("pointerdown", (event) => {
  if (others(event) || event.button > 1) return;
  stage.focus({ preventScroll: true });
  stage.setPointerCapture(event.pointerId);
  const at = onPage(event);
  pointers.set(event.pointerId, at);
  if (pointers.size > 1) {
    drag = { kind: "pinch" };
    return;
  }
  const edge = (Number($("slider").value) / 100) * stage.clientWidth;
  if (state.mode === "slider" && Math.abs(at.stageX - edge) < GRIP) drag = { kind: "slide", from: at, button: event.button };
  else if (state.tool === "stroke" && event.button === 0) drag = { kind: "stroke", path: [[at.x, at.y]] };
  else drag = { kind: "click", from: at, button: event.button };
});

stage.addEventListener("pointermove", (event) => {
  if (!drag || !pointers.has(event.pointerId)) return;
  const before = pointers.get(event.pointerId);
  const at = onPage(event);
  if (drag.kind === "pinch" && pointers.size === 2) {
    const [other] = [...pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, each]) => each);
    const apart = (each) => Math.hypot(each.paneX - other.paneX, each.paneY - other.paneY) || 1;
    view.x += (at.paneX - before.paneX) / 2;
    view.y += (at.paneY - before.paneY) / 2;
    zoom(apart(at) / apart(before), (at.paneX + other.paneX) / 2, (at.paneY + other.paneY) / 2);
  } else if (drag.kind === "slide") {
    drag.far ||= Math.abs(at.paneX - drag.from.paneX) > NEAR;
    if (drag.far) $("slider").value = Math.min(100, Math.max(0, (at.stageX / stage.clientWidth) * 100));
    apply();
  } else if (drag.kind === "stroke") {
    drag.path.push([at.x, at.y]);
    on.drawing(drag.path);
  } else if (drag.kind === "click" || drag.kind === "pan") {
    if (drag.kind === "click" && Math.hypot(at.paneX - drag.from.paneX, at.paneY - drag.from.paneY) > NEAR) {
      drag.kind = "pan";
      stage.classList.add("panning");
    }
    if (drag.kind === "pan") {
      view.x += at.paneX - before.paneX;
      view.y += at.paneY - before.paneY;
      fitted = false;
      apply();
    }
  }
  pointers.set(event.pointerId, onPage(event));
});

function ended(event) {
  if (!pointers.delete(event.pointerId) || !drag) return;
  const at = onPage(event);
  stage.classList.remove("panning");
  const clicked = drag.kind === "click" || (drag.kind === "slide" && !drag.far); // the edge is no obstacle to a click
  if (event.type === "pointerup" && clicked && drag.button === 0 && inside(at)) on.place(Math.floor(at.x), Math.floor(at.y));
  if (event.type === "pointerup" && drag.kind === "stroke") on.stroke(drag.path);
  else if (drag.kind === "stroke") on.drawing(null);
  if (!pointers.size) drag = null;
}
stage.addEventListener("pointerup", ended);
stage.addEventListener("pointercancel", ended);

stage.addEventListener(
  "wheel",
  (event) => {
    if (event.target.closest("#popover")) return;
    event.preventDefault();
    const at = onPage(event);
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), at.paneX, at.paneY);
  },
  { passive: false },
);

$("slider").addEventListener("input", apply);
new ResizeObserver(() => (fitted ? fit() : apply())).observe(stage);

// The cross, moved by the keys.

const cross = { x: 0, y: 0, shown: false };

/** Puts the cross at a place; null hides it. */
export function putCross(x, y) {
  cross.shown = x !== null;
  if (y !== undefined) Object.assign(cross, { x: x ?? cross.x, y });
  $("cross").hidden = !cross.shown;
  $("cross").style.left = `${cross.x + 0.5}px`;
  $("cross").style.top = `${cross.y + 0.5}px`;
}

/** Moves the cross by a key's direction; the place that it is at. */
export function moveCross(across, down, far) {
  if (!cross.shown && !cross.known) {
    cross.known = true;
    putCross(Math.floor(page().width / 2), Math.floor(page().height / 2));
    return cross;
  }
  const step = Math.max(1, Math.round((far ? 60 : 10) / view.zoom));
  const keep = (value, most) => Math.min(most - 1, Math.max(0, value));
  putCross(keep(cross.x + across * step, page().width), keep(cross.y + down * step, page().height));
  reveal(cross.x, cross.y);
  return cross;
}

export const crossPlace = () => (cross.shown ? { x: cross.x, y: cross.y } : null);
