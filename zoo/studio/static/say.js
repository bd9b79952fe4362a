// Saying colours: the swatches of a place, the marks of the page, strokes.

import { attempt, post } from "./api.js";
import { onPage, onStage, on as pointer, putCross, reveal } from "./stage.js";
import { $, element, percent, say, state } from "./state.js";
import { did, inTurn } from "./undo.js";

const popover = $("popover");
const SVG = "http://www.w3.org/2000/svg";

/** What others do when marks have changed, or a place was chosen. */
export const on = { changed() {}, chosen() {}, explain() {}, sheet() {} };

const path = () => `/api/page/${state.page}/marks`;
const marks = () => state.about?.marks ?? [];

/** Takes an answer with all marks of the page. */
export function took(answer, page = state.page) {
  if (!answer || page !== state.page) return;
  Object.assign(state.about, { marks: answer.marks, version: answer.version });
  const { mark, x, y } = state.selection ?? {};
  const there = ({ id, points: [[left, top]] }) => id === mark && left === x && top === y;
  if (mark && !marks().some(there)) close(); // it is gone, or elsewhere
  show();
  on.changed();
}

/** Draws the marks, and lists them. */
export function show() {
  const chosen = state.selection?.mark;
  const focused = document.activeElement?.dataset?.mark;
  $("marks").replaceChildren(...marks().map((mark) => button(mark, mark.id === chosen)));
  if (focused) $("marks").querySelector(`[data-mark="${focused}"]`)?.focus();
  $("strokes").replaceChildren(...marks().filter((mark) => mark.points.length > 1).flatMap((mark) => lines(mark.points, mark.color)));
  $("no-marks").hidden = marks().length > 0;
  $("mark-list").replaceChildren(
    ...marks().map((mark) =>
      element(
        "li",
        {},
        element("button", { className: "go", onclick: () => select(mark) }, element("i", { color: mark.color }), words(mark)),
        element("button", { onclick: () => remove(mark), "aria-label": `Remove ${words(mark)}`, title: "Remove" }, "×"),
      ),
    ),
  );
}

function words(mark) {
  const [x, y] = mark.points[0];
  return mark.points.length > 1 ? `${mark.color}, a stroke from ${x}, ${y}` : `${mark.color} at ${x}, ${y}`;
}

function button(mark, chosen) {
  const [x, y] = mark.points[0];
  const made = element("button", { className: "mark", color: mark.color, "aria-label": `Colour ${words(mark)}`, "aria-pressed": String(chosen), title: mark.color });
  made.dataset.mark = mark.id;
  made.style.left = `${x + 0.5}px`;
  made.style.top = `${y + 0.5}px`;
  let from = null;
  let dragged = false; // a click ends every drag
  made.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.stopPropagation();
    made.setPointerCapture(event.pointerId);
    from = { at: onPage(event), far: false };
    dragged = false;
  });
  made.addEventListener("pointermove", (event) => {
    if (!from) return;
    const at = onPage(event);
    from.far ||= Math.hypot(at.paneX - from.at.paneX, at.paneY - from.at.paneY) > 4;
    if (from.far) {
      made.style.left = `${x + 0.5 + at.x - from.at.x}px`;
      made.style.top = `${y + 0.5 + at.y - from.at.y}px`;
    }
  });
  made.addEventListener("pointerup", (event) => {
    const start = from;
    from = null;
    if (!start) return;
    const at = onPage(event);
    dragged = start.far;
    if (dragged) move(mark.id, Math.round(at.x - start.at.x), Math.round(at.y - start.at.y));
  });
  made.addEventListener("pointercancel", () => {
    from = null;
    show();
  });
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    if (event.detail && dragged) return;
    if (!event.detail || state.selection?.mark !== mark.id) select(mark);
  });
  made.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 20 : 2;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (by) move(mark.id, ...by);
    else if (event.key === "Delete" || event.key === "Backspace") remove(mark);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return made;
}

function lines(points, color) {
  return ["rim", "body"].map((name) => {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", points.map(([x, y]) => `${x + 0.5},${y + 0.5}`).join(" "));
    line.classList.add(name);
    if (name === "body") line.style.stroke = color;
    return line;
  });
}

/** Changes marks of the page, and remembers it. */
function change(held) {
  const page = state.page;
  return inTurn(async () => {
    const answer = await attempt(() => post(`/api/page/${page}/marks`, held));
    if (!answer) {
      show();
      return undefined;
    }
    did({ kind: "marks", page, before: answer.before, after: answer.after });
    took(answer, page);
    return answer;
  });
}

const moves = new Map(); // how far marks have yet to go, of those that are on their way

/** Moves a mark from where it is by then; what comes meanwhile, as of a key that is held, is the next move. */
async function move(id, across, down) {
  const { page } = state;
  const key = `${page} ${id}`;
  const [x, y] = moves.get(key) ?? [0, 0];
  const waits = moves.has(key);
  moves.set(key, [x + across, y + down]);
  if (waits) return;
  try {
    while (page === state.page) {
      const mark = marks().find((each) => each.id === id);
      const [right, below] = moves.get(key);
      if (!mark || !(right || below)) return;
      moves.set(key, [0, 0]);
      if (!(await change({ id, color: mark.color, points: mark.points.map(([left, top]) => [left + right, top + below]) }))) return;
    }
  } finally {
    moves.delete(key);
  }
}

export async function remove(mark) {
  await change({ id: mark.id, drop: true });
  say(`Removed ${mark.color}.`);
}

/** Asks about the place of a mark. */
export function select(mark) {
  const [x, y] = mark.points[0];
  reveal(x, y);
  return ask(x, y, mark);
}

/** Asks what a place may be, and shows its colours. */
export async function ask(x, y, mark = null, found = null, focus = false) {
  const page = state.page;
  state.selection = { x, y, mark: mark?.id ?? null, color: mark?.color ?? null, possible: null };
  putCross(mark ? null : x, y);
  show();
  open(null);
  on.chosen(state.selection);
  const asked = state.selection;
  const answer = found ?? (await attempt(() => post(`/api/page/${page}/place`, { x, y })));
  if (state.selection !== asked) return;
  if (!answer) {
    close();
    return;
  }
  Object.assign(state.selection, answer);
  open(answer);
  if (focus) $("swatches").querySelector("button")?.focus();
}

function open(answer) {
  const { color, mark } = state.selection;
  popover.hidden = false;
  for (const name of ["refusal", "note"]) {
    $(name).hidden = !answer?.[name];
    $(name).textContent = answer?.[name] ?? "";
  }
  const possible = answer?.refusal ? [] : (answer?.possible ?? []);
  $("swatches").replaceChildren(
    ...possible.map((each, index) =>
      element(
        "button",
        { className: "swatch", color: each.color, onclick: () => choose(each.color), "aria-pressed": String(each.color === color), "aria-label": `Colour ${index + 1}: ${each.color}, ${percent(each.share)}`, title: `${each.color} (${index + 1})` },
        element("i"),
        element("span", {}, percent(each.share)),
      ),
    ),
  );
  $("of-palette").replaceChildren(
    ...(state.book?.palette ?? []).map((each) => element("button", { className: "dot", color: each, onclick: () => choose(each), "aria-label": `Of the palette: ${each}`, title: each })),
  );
  $("picker").value = color ?? possible[0]?.color ?? "#808080";
  $("remove").hidden = $("farther").hidden = !mark;
  $("whole").disabled = !color;
  $("whole").querySelector("i").style.setProperty("--color", color ?? "transparent");
  for (const outline of document.querySelectorAll(".outline")) {
    outline.hidden = !answer;
    if (!answer) continue;
    outline.src = answer.outline.picture;
    for (const side of ["left", "top", "width", "height"]) outline.style[side] = `${answer.outline[side]}px`;
  }
  place();
}

/** Puts the swatches beside the place that they are of. */
function place() {
  if (popover.hidden || !state.selection) return;
  const stage = $("stage");
  if (getComputedStyle(popover).position === "fixed") {
    // Of a phone, the swatches lie at the window's lower edge: the place stays in sight.
    const below = stage.getBoundingClientRect().top + onStage(state.selection.x, state.selection.y).y;
    const room = popover.getBoundingClientRect().top - 24;
    if (below > room) window.scrollBy(0, below - room);
    return;
  }
  const at = onStage(state.selection.x, state.selection.y);
  const { offsetWidth: width, offsetHeight: height } = popover;
  const left = at.x + 26 + width < stage.clientWidth ? at.x + 26 : at.x - 26 - width;
  popover.style.left = `${Math.max(4, Math.min(stage.clientWidth - width - 4, left))}px`;
  popover.style.top = `${Math.max(4, Math.min(stage.clientHeight - height - 4, at.y - height / 3))}px`;
}
pointer.moved = place;

export function close() {
  const inside = popover.contains(document.activeElement);
  state.selection = null;
  popover.hidden = true;
  for (const outline of document.querySelectorAll(".outline")) outline.hidden = true;
  show();
  if (inside) $("stage").focus({ preventScroll: true });
}

const turns = (color, becomes) => `${color} becomes ${becomes} here: the page keeps its light and dark.`;

/** Gives the place that was asked about a colour. */
export async function choose(color) {
  const selection = state.selection;
  if (!selection) return;
  const mark = marks().find((each) => each.id === selection.mark);
  const held = mark ? { id: mark.id, color, points: mark.points } : { color, path: [[selection.x, selection.y]] };
  const answer = await change(held);
  if (!answer || state.selection !== selection) return;
  Object.assign(selection, { mark: answer.id, color });
  state.last = color;
  putCross(null);
  say(answer.becomes ? turns(color, answer.becomes) : `${color} at ${selection.x}, ${selection.y}.`);
  const focused = [...popover.querySelectorAll("button, input")].indexOf(document.activeElement);
  if (selection.possible) open(selection);
  if (focused >= 0) [...popover.querySelectorAll("button, input")][focused]?.focus();
  show();
}

/** Takes the swatch of a number, from 1. */
export const swatch = (number) => $("swatches").querySelectorAll("button")[number - 1]?.click();

pointer.drawing = (path) => {
  const drawn = $("strokes").querySelectorAll(".drawn");
  drawn.forEach((each) => each.remove());
  if (!path) return;
  for (const line of lines(path, $("brush").value)) {
    line.classList.add("drawn");
    $("strokes").append(line);
  }
};

pointer.stroke = async (path) => {
  const few = path.filter((_, index) => index % Math.ceil(path.length / 2000) === 0);
  close();
  const answer = await change({ color: $("brush").value, path: few.length > 1 ? few : [few[0], few[0]] });
  pointer.drawing(null);
  if (answer) say(answer.becomes ? turns(answer.marks.find(({ id }) => id === answer.id).color, answer.becomes) : `A stroke of ${$("brush").value}.`);
};

$("close").onclick = close;
$("picker").onchange = () => choose($("picker").value);
$("remove").onclick = () => {
  const mark = marks().find((each) => each.id === state.selection?.mark);
  if (mark) remove(mark);
};
$("explain").onclick = () => on.explain();
$("whole").onclick = () => {
  const { x, y, color } = state.selection;
  on.sheet({ page: state.page, x, y, color });
};
