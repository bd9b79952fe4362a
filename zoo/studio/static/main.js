// Opens the book, shows its pages, and ties the parts together.

import { attempt, blob, get, post } from "./api.js";
import * as book from "./book.js";
import * as plane from "./plane.js";
import * as speech from "./say.js";
import { apply, crossPlace, fit, moveCross, on as pointer, putCross, reveal, zoom } from "./stage.js";
import { $, element, layer, meaning, say, state, title } from "./state.js";
import * as steps from "./undo.js";

const PULSE = 1500; // milliseconds
const wishes = { left: 0, right: 0 };

// Pictures.

function busy() {
  $("busy").hidden = !Object.values(loading).some(Boolean);
  $("stage").setAttribute("aria-busy", String(!$("busy").hidden));
}
const loading = { left: false, right: false };

/** Brings one side's picture; the old one stays until the new one is there. */
async function picture(side, text) {
  const wish = ++wishes[side];
  const page = state.page;
  loading[side] = true;
  busy();
  const path = `/api/page/${page}/picture?layer=${encodeURIComponent(text)}&side=${side}&tab=${state.tab}`;
  const data = await attempt(() => blob(path));
  if (wish !== wishes[side]) return;
  loading[side] = false;
  busy();
  if (!data) return;
  const image = $(`pane-${side}`).querySelector("img");
  const old = image.src;
  image.src = URL.createObjectURL(data);
  await image.decode().catch(() => {});
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
  image.alt = `Page ${page + 1}: ${title(text)}`;
  image.dataset.layer = text;
  image.dataset.count = Number(image.dataset.count ?? 0) + 1;
  if (!text.includes("|")) return;
  if ($("status").textContent.startsWith("Loading ")) say(state.book.pages[page].label);
  state.loaded = true;
  if (text === state.book.own) book.renew(page);
}

/** Brings the pictures of both sides, as far as they depend on what was said; or all. */
function pictures(all = false) {
  if (!state.about) return;
  for (const side of ["right", "left"]) {
    const text = layer(state[side]);
    if (side === "left" && state.mode === "one") continue;
    const shown = $(`pane-${side}`).querySelector("img").dataset.layer;
    if (all || shown !== text || text.includes("|")) picture(side, text);
  }
}

/** Shows a page. */
async function go(index, again = false) {
  if (index < 0 || index >= state.book.pages.length) return;
  state.page = index;
  sessionStorage.setItem("page", index);
  $("number").value = index + 1;
  $("previous").disabled = index === 0;
  $("next").disabled = index === state.book.pages.length - 1;
  book.current(index);
  if (!again) {
    speech.close();
    putCross(null);
  }
  const about = await attempt(() => get(`/api/page/${index}`));
  if (index !== state.page) return;
  $("fault").hidden = Boolean(about);
  $("fault").textContent = about ? "" : $("status").textContent;
  if (!about) say(""); // it is said in the page's place
  const before = state.about;
  state.about = about ?? null;
  for (const each of document.querySelectorAll("#marks, #strokes")) each.replaceChildren();
  if (!about) {
    for (const image of document.querySelectorAll(".sheet > img")) image.removeAttribute("src");
    offer();
    apply();
    return;
  }
  offer();
  speech.show();
  if (!again || !before) {
    fit();
    say(state.book.pages[index].label);
    for (const side of ["left", "right"]) {
      const image = $(`pane-${side}`).querySelector("img");
      image.removeAttribute("src");
      delete image.dataset.layer;
      // Until the colours are there: it needs no network.
      image.src = `/api/page/${index}/picture?layer=grey&side=first-${side}&tab=${state.tab}`;
    }
    if (!state.loaded) say(`Loading ${title(state.book.own)} …`);
  }
  pictures(true);
}

// What the two sides show.

function options(select, chosen, own) {
  const choices = own ? [new Option(`the book, by ${title(state.book.own).split(",")[0]}`, "own"), new Option("grey", "grey")] : [];
  if (own && state.about?.truth) choices.push(new Option("truth", "truth"));
  const groups = state.book.models.map(({ name, decoders }) => {
    const group = element("optgroup", { label: name });
    const of = decoders.length ? decoders : [""];
    group.append(
      ...of.map((decoder) => {
        const choice = new Option(title(`${name}|${decoder}`), `${name}|${decoder}`);
        choice.title = meaning(choice.value);
        return choice;
      }),
    );
    return group;
  });
  select.replaceChildren(...choices, ...groups);
  select.value = chosen;
  if (!select.value) {
    select.append(new Option(title(chosen), chosen));
    select.value = chosen;
  }
  select.title = meaning(layer(chosen));
}

function offer() {
  for (const side of ["left", "right"]) {
    if (state[side] === "truth" && state.about && !state.about.truth) state[side] = side === "left" ? "grey" : "own";
    options($(side), state[side], true);
  }
  options($("own"), state.book.own, false);
}

for (const side of ["left", "right"])
  $(side).onchange = () => {
    state[side] = $(side).value;
    $(side).title = meaning(layer(state[side]));
    sessionStorage.setItem(side, state[side]);
    const name = layer(state[side]);
    if (name.includes("|")) say(`Loading ${title(name)} …`);
    pictures();
    plane.refresh();
  };

function radio(prefix, names, of) {
  for (const name of names)
    $(`${prefix}-${name}`).onclick = () => {
      for (const each of names) $(`${prefix}-${each}`).setAttribute("aria-checked", String(each === name));
      of(name);
    };
}
radio("mode", ["one", "slider", "beside"], (name) => {
  state.mode = name;
  $("label-left").hidden = name === "one";
  $("word-right").textContent = name === "one" ? "Show" : "Right";
  fit();
  pictures();
});
radio("tool", ["point", "stroke"], (name) => {
  state.tool = name;
  speech.close();
});

// Ties.

const place = (x, y) => speech.ask(x, y);
pointer.place = place;
speech.on.changed = () => {
  book.changed();
  pictures();
  plane.refresh();
  refreshBook();
};
speech.on.chosen = () => plane.refresh();
speech.on.explain = () => {
  if (matchMedia("(max-width: 720px)").matches) $("popover").hidden = true; // it would lie over the panel
  panel("plane");
  $("panel").scrollIntoView({ block: "nearest" });
  plane.refresh();
};
speech.on.sheet = async (held) => {
  const answer = await book.change({ promote: held });
  if (answer) say(`What is like this takes ${held.color} on all pages: an entry of the colour sheet.`);
};
book.on.go = (index) => go(index);
book.on.changed = () => {
  offer();
  pictures();
  plane.refresh();
};

let refreshing = null;
/** Asks for the command and the list of marked pages, a while after the last change. */
function refreshBook() {
  clearTimeout(refreshing);
  refreshing = setTimeout(() => attempt(async () => {
    state.book = await get("/api/book");
    book.show();
  }), 400);
}

steps.on.apply = async (step, back) => {
  const [from, to] = back ? [step.after, step.before] : [step.before, step.after];
  if (step.kind === "marks") {
    if (step.page !== state.page) await go(step.page);
    const answer = await steps.bring(step.page, from, to);
    speech.took(answer, step.page);
  } else if (step.kind === "choices") {
    book.took(await post("/api/choices", to));
  } else {
    book.sheet(await post("/api/sheet", { restore: to }));
    book.took(await get("/api/book"));
  }
  say(back ? "Undone." : "Done again.");
};
$("undo").onclick = steps.undo;
$("redo").onclick = steps.redo;

async function where() {
  say("Looking for the region that is least sure …");
  const page = state.page;
  const answer = await attempt(() => post(`/api/page/${page}/next`, {}));
  if (!answer || page !== state.page) return;
  if (!answer.place) {
    say("Nothing is left that would be worth a question on this page.");
    return;
  }
  reveal(answer.place.x, answer.place.y);
  await speech.ask(answer.place.x, answer.place.y, null, answer.place);
  say("The model is least sure here. Take a colour, or go on.");
}
$("where").onclick = where;

$("previous").onclick = () => go(state.page - 1);
$("next").onclick = () => go(state.page + 1);
$("number").onchange = () => go(Math.min(state.book.pages.length, Math.max(1, Number($("number").value) || 1)) - 1);
$("smaller").onclick = () => zoom(1 / 1.3);
$("larger").onclick = () => zoom(1.3);
$("fit").onclick = fit;

// Panels, dialogs, theme.

const panels = ["marks", "book", "take", "plane"];
function panel(name) {
  for (const each of panels) {
    $(`panel-${each}`).hidden = each !== name;
    $(`tab-${each}`).setAttribute("aria-selected", String(each === name));
    $(`tab-${each}`).tabIndex = each === name ? 0 : -1;
  }
  if (name === "book") book.sheet();
  if (name === "plane") plane.refresh();
}

/** Turns to a panel: the swatches go, but the averaging is of the place that they were of. */
function turn(name) {
  if (name === "plane") $("popover").hidden = true;
  else speech.close();
  panel(name);
}
panels.forEach((name, index) => {
  $(`tab-${name}`).onclick = () => turn(name);
  $(`tab-${name}`).onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = panels.at((index + by) % panels.length);
    turn(next);
    $(`tab-${next}`).focus();
    event.stopPropagation();
  };
});
for (const shut of document.querySelectorAll("dialog .shut")) shut.onclick = () => shut.closest("dialog").close();
$("help").onclick = () => $("keys").showModal();

const dark = matchMedia("(prefers-color-scheme: dark)");
function theme() {
  const name = localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "Light" : "Dark";
}
dark.addEventListener("change", theme);
$("theme").onclick = () => {
  localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  theme();
};
theme();

// Keys.

const writes = (target) => target.closest?.("select, textarea, input:not([type=range], [type=checkbox], [type=color])");

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || writes(event.target)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
    if (key === "y" || event.shiftKey) steps.redo();
    else steps.undo();
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onStage = event.target === $("stage") || event.target === document.body;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (arrow && onStage && state.about) moveCross(...arrow, event.shiftKey);
  else if (key === "Enter" && onStage && crossPlace()) {
    const { x, y } = crossPlace();
    speech.ask(x, y, null, null, true);
  } else if (key === "Delete" && state.selection?.mark) $("remove").click();
  else if (key === "Escape") speech.close();
  else if (/^[1-5]$/.test(key) && state.selection) speech.swatch(Number(key));
  else if (key === "n") where();
  else if (key === "PageDown") go(state.page + 1);
  else if (key === "PageUp") go(state.page - 1);
  else if (key === "+" || key === "=") zoom(1.3);
  else if (key === "-") zoom(1 / 1.3);
  else if (key === "0") fit();
  else if (key === "p") $("tool-point").click();
  else if (key === "s") $("tool-stroke").click();
  else if (key === "?") $("help").click();
  else return;
  event.preventDefault();
});

// What happens elsewhere: other tabs, long works.

async function pulse() {
  if (document.hidden) return;
  const page = state.page;
  const answer = await get(`/api/pulse?page=${page}`).catch(() => null);
  if (!answer) {
    say("The studio does not answer. What you decided is kept; start it again, and reload.", true);
    return;
  }
  book.working(answer.work);
  if (answer.book !== state.book.version) {
    book.took(await get("/api/book"));
    book.sheet();
  }
  if (page === state.page && state.about && answer.page !== state.about.version) {
    const about = await get(`/api/page/${page}`).catch(() => null);
    if (about && page === state.page && about.version !== state.about.version) speech.took(about, page);
  }
}

async function begin() {
  state.book = await attempt(() => get("/api/book"));
  if (!state.book) return;
  document.title = `${state.book.title} – colour studio`;
  $("title").textContent = state.book.title;
  $("count").textContent = `of ${state.book.pages.length}`;
  $("number").max = state.book.pages.length;
  for (const side of ["left", "right"]) state[side] = sessionStorage.getItem(side) ?? state[side];
  const known = new Set(["own", "grey", "truth", ...state.book.models.map((each) => each.name)]);
  for (const side of ["left", "right"]) if (!known.has(state[side].split("|")[0])) state[side] = side === "left" ? "grey" : "own";
  steps.load();
  book.list();
  book.show();
  book.since((await get("/api/pulse")).work);
  await go(Math.min(Number(sessionStorage.getItem("page") ?? 0) || 0, state.book.pages.length - 1));
  apply();
  setInterval(pulse, PULSE);
}
begin();
