// What this tab knows, and small helpers.

export const state = {
  tab: sessionStorage.tab ??= crypto.getRandomValues(new Uint32Array(2)).join("-"),
  book: null, // what /api/book says
  page: 0,
  about: null, // what /api/page says of it
  selection: null, // the place that was clicked: x, y, possible, mark
  tool: "point",
  last: "#cc3333", // the colour that was chosen last
  mode: "one",
  left: "grey",
  right: "own",
};

export const $ = (id) => document.getElementById(id);

/** An element with properties, and children or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "color") made.style.setProperty("--color", value);
    else if (name.startsWith("aria-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** The layer that a choice of the page stands for. */
export const layer = (choice) => (choice === "own" ? state.book.own : choice);

/** A layer in words. */
export function title(text) {
  if (text === "grey" || text === "truth") return text;
  const [path, decoder] = text.split("|");
  const model = path.split("/").filter(Boolean).pop();
  return decoder ? `${model}, ${decoder}` : model;
}

const DECODERS = {
  annealed: "annealed: vivid, the usual one",
  mode: "mode: the single most probable colour",
  mean: "mean: the average, dull",
  median: "median: the middle of what is possible, nearly as dull",
  flat: "+flat: one colour for each even area",
  coherent: "+coherent: one colour a region",
};

/** What a layer's decoder does, in plain words. */
export const meaning = (text) =>
  (text.split("|")[1] ?? "")
    .split("+")
    .map((word) => DECODERS[word.split(":")[0]])
    .filter(Boolean)
    .join("; ");

/** Shows a line below the page; what went wrong stands out. */
export function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

export const percent = (share) => (share >= 0.995 ? "100 %" : share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`);
