// The book: its pages, palette, references, colour sheet, and colouring all of it.

import { attempt, get, post, upload } from "./api.js";
import { $, element, say, state } from "./state.js";
import { did, inTurn } from "./undo.js";

/** What others do when something was chosen for all pages, or a page is wanted. */
export const on = { changed() {}, go() {} };

const thumbs = new Map();
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting && !target.src) target.src = target.dataset.src;
}, { rootMargin: "300px" });

/** Lists the pages; their pictures come when they are in view. */
export function list() {
  thumbs.clear();
  $("thumbs").replaceChildren(
    ...state.book.pages.map((page, index) => {
      const image = element("img", { alt: "", width: 90, height: 92 });
      image.dataset.src = `/api/page/${index}/thumbnail`;
      seen.observe(image);
      const made = element("button", { onclick: () => on.go(index), title: page.label, "aria-label": `Page ${index + 1}, ${page.label}` }, image, String(index + 1));
      made.classList.toggle("marked", page.marked);
      thumbs.set(index, made);
      return element("li", {}, made);
    }),
  );
}

/** Marks the page that is shown. */
export function current(index) {
  for (const [each, made] of thumbs) {
    if (each === index) made.setAttribute("aria-current", "page");
    else made.removeAttribute("aria-current");
  }
  thumbs.get(index)?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Shows a page's small picture anew, and whether something is said of it. */
export function renew(index) {
  const made = thumbs.get(index);
  if (!made) return;
  made.classList.toggle("marked", (state.about?.marks.length ?? 0) > 0);
  made.querySelector("img").src = `/api/page/${index}/thumbnail?v=${Date.now()}`;
}

/** Shows what was chosen for all pages. */
export function show() {
  const { book } = state;
  $("own").value = book.own;
  $("limited").checked = book.limited;
  $("limited").disabled = !book.palette.length;
  $("kept").textContent = book.keep;
  $("coloured").textContent = book.coloured;
  // A line may end within a path, but not within a flag.
  const words = book.command.split(" ").map((word) => element("span", { className: word.startsWith("-") ? "flag" : "" }, word));
  $("command").replaceChildren(...words.flatMap((word) => [word, " "]).slice(0, -1));
  $("palette").replaceChildren(
    ...book.palette.map((color, index) => {
      const field = element("input", { type: "color", value: color, "aria-label": `Colour ${index + 1} of the palette` });
      field.onchange = () => choose({ palette: book.palette.with(index, field.value) });
      const gone = element("button", { "aria-label": `Remove ${color} from the palette`, onclick: () => {
        const palette = book.palette.toSpliced(index, 1);
        choose({ palette, limited: book.limited && palette.length > 0 });
      } }, "×");
      return element("span", { className: "color" }, field, gone);
    }),
  );
  $("references").replaceChildren(
    ...book.references.map(({ name, title }) =>
      element(
        "figure",
        {},
        element("img", { src: `/api/references/${name}`, alt: "" }),
        element("figcaption", { title }, title),
        element("button", { "aria-label": `Remove the reference ${title}`, onclick: () => choose({ references: names().filter((each) => each !== name) }) }, "×"),
      ),
    ),
  );
}

const names = () => state.book.references.map((each) => each.name);

/** Chooses for all pages, and remembers it. */
export function choose(held) {
  return inTurn(async () => {
    const before = Object.fromEntries(Object.keys(held).map((key) => [key, key === "references" ? names() : state.book[key]]));
    const answer = await attempt(() => post("/api/choices", held));
    if (!answer) {
      show();
      return;
    }
    did({ kind: "choices", before, after: held });
    took(answer);
  });
}

/** Takes what the server says of the book. */
export function took(book) {
  state.book = book;
  changed();
  show();
  on.changed();
}

$("own").onchange = () => choose({ own: $("own").value });
$("limited").onchange = () => choose({ limited: $("limited").checked });
$("add-color").onclick = () => choose({ palette: [...state.book.palette, state.last] });

async function refer(files) {
  for (const file of files) {
    say(`Reading ${file.name} …`);
    // Not in turn: a large page takes a while, and clicks do not wait for it.
    const answer = await attempt(() => upload(`/api/references?title=${encodeURIComponent(file.name)}`, file));
    if (!answer) continue;
    did({ kind: "choices", before: { references: names() }, after: { references: answer.references.map((each) => each.name) } });
    took(answer);
    say(`Colours of ${file.name} are taken where something is alike.`);
  }
}

$("reference").onchange = () => {
  refer([...$("reference").files]);
  $("reference").value = "";
};
for (const kind of ["dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    $("drop").firstElementChild.classList.toggle("over", kind === "dragover");
    if (kind === "drop") refer([...event.dataTransfer.files]);
  });

// The colour sheet.

export async function sheet(answer = null) {
  const held = answer ?? (await attempt(() => get("/api/sheet")));
  if (!held) return;
  $("entries").replaceChildren(
    ...held.entries.map((entry) => {
      const field = element("input", { type: "color", value: entry.color, "aria-label": `Colour of entry ${entry.name}` });
      field.onchange = () => change({ name: entry.name, color: field.value });
      const where = entry.pages.length === 1 ? `seen first on ${entry.pages[0]}` : `seen on ${entry.pages.length} pages`;
      const picture = entry.pictured ? [element("img", { src: `/api/sheet/${entry.name}?v=${encodeURIComponent(state.book.own)}`, alt: "" })] : [];
      return element(
        "div",
        { className: "entry" },
        ...picture,
        field,
        element("span", { className: "words" }, where),
        element("button", { "aria-label": `Remove entry ${entry.name}`, onclick: () => change({ name: entry.name, color: null }) }, "×"),
      );
    }),
  );
}

/** Changes the colour sheet, and remembers it. */
export function change(held) {
  return inTurn(async () => {
    const answer = await attempt(() => post("/api/sheet", held));
    if (!answer) return undefined;
    did({ kind: "sheet", before: answer.before, after: answer.after });
    sheet(answer);
    took(await get("/api/book"));
    return answer;
  });
}

$("gather").onclick = () => attempt(async () => working((await post("/api/work", { do: "gather" })).work));

$("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText(state.book.command);
    say("The command is copied.");
  } catch {
    getSelection().selectAllChildren($("command")); // a browser lets no page copy that came over an open network
    say("The command is selected: copy it with Ctrl C.");
  }
};

// Long works.

let last = { number: 0, state: "idle" };
let known = 0; // the last work whose end was told
let stepped = 0; // the last work whose step is among what this tab did, or is another tab's
let stale = 0; // the last work that something changed after: what it said is so no more
let then = null;

/** Takes back what the last work said, as marks, sheet or choices have changed since. */
export function changed() {
  if (last.state === "running") return;
  stale = last.number;
  $("work-status").textContent = "";
}

/** Shows how far a long work is. */
export function working(work) {
  last = work;
  const running = work.state === "running";
  $("progress").hidden = !running;
  $("stop").hidden = !running;
  for (const each of document.querySelectorAll("#color-book, #gather, [data-take]")) each.disabled = running;
  if (running) {
    $("progress").max = work.total || 1;
    $("progress").value = work.done;
    $("work-status").textContent = work.total ? `${work.what}: ${work.done} of ${work.total}` : `${work.what} …`;
  } else if (work.number > stale) {
    $("work-status").textContent = work.message;
  }
  const { step } = work;
  if (step && step.number > stepped) {
    stepped = step.number;
    if (step.tab === state.tab) did({ kind: "sheet", before: step.before, after: step.after });
  }
  const ended = !running && work.number > known && work.state !== "idle";
  if (ended) {
    known = work.number;
    const next = then;
    then = null;
    if (work.state === "done") next?.();
    if (work.state !== "stopped") say(work.message, work.state === "failed");
    sheet();
  }
  return running;
}

/** Whether a tab that was just opened is to tell of works before it: it is not. */
export const since = (work) => {
  known = work.state === "running" ? work.number - 1 : work.number;
  stepped = work.step?.number ?? 0;
};

async function color(held, next = null) {
  then = next;
  await attempt(async () => working((await post("/api/work", { do: "color", format: $("form").value, ...held })).work));
}

$("color-book").onclick = () => color({});
$("stop").onclick = () => attempt(() => post("/api/work", { do: "stop" }));
for (const button of document.querySelectorAll("[data-take]"))
  button.onclick = () => {
    const kind = button.dataset.take;
    const format = $("form").value;
    const page = state.page;
    color(kind === "page" ? { page } : {}, () => {
      const link = element("a", { href: `/api/download/${kind}?format=${format}&page=${page}`, download: "" });
      document.body.append(link);
      link.click();
      link.remove();
    });
  };
