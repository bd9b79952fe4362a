// The averaging, seen: what models find possible in a region, in the plane of U and V.

import { attempt, post } from "./api.js";
import { $, element, layer, percent, state, title } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 400;
const EDGE = 14;
const LEAST = 0.14; // of U and V, to each side
const MOST = 0.62;
const RGB = [[1, 0, 1.13983], [1, -0.39465, -0.5806], [1, 2.03211, 0]];
let shown = null;

const chroma = ([u, v]) => Math.hypot(u, v);

function node(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The colour of U and V at a luma, as the page would show it, and whether it fits there. */
function shade(tone, u, v) {
  const delta = RGB.map((row) => row[1] * u + row[2] * v);
  const room = Math.min(1, ...delta.map((each) => (each > 0 ? (1 - tone) / each : tone / -(each || -1e-9))));
  return { fits: room >= 1, color: `rgb(${delta.map((each) => Math.round(255 * (tone + Math.max(0, room) * each))).join(" ")})` };
}

/** How far the plane has to go to each side, to show all layers. */
function reach(about) {
  const all = about.layers.flatMap((one) => [...one.points.filter((each) => each[2] > 0.001), ...one.modes.map((each) => each.uv), one.mean, one.chosen]);
  if (about.truth) all.push(about.truth);
  return Math.min(MOST, Math.max(LEAST, 1.12 * Math.max(...all.flatMap(([u, v]) => [Math.abs(u), Math.abs(v)]))));
}

/** The plane of one layer. Both axes have one scale: a distance from the middle is chroma. */
function drawing(about, one, far, large) {
  const scale = (SIZE / 2 - EDGE) / far;
  const across = (u) => SIZE / 2 + u * scale;
  const down = (v) => SIZE / 2 - v * scale;
  const svg = node("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" });
  svg.append(node("title", {}, `Colours that ${title(one.layer)} finds possible in the region`));
  const step = far / 20;
  const back = node("g", { opacity: 0.3, "aria-hidden": "true" });
  for (let u = -far + step / 2; u < far; u += step)
    for (let v = -far + step / 2; v < far; v += step) {
      const { fits, color } = shade(about.tone, u, v);
      const side = step * scale + 0.6;
      if (fits) back.append(node("rect", { x: across(u) - side / 2, y: down(v) - side / 2, width: side, height: side, fill: color }));
    }
  svg.append(back);
  svg.append(node("path", { d: `M${EDGE} ${SIZE / 2}H${SIZE - EDGE}M${SIZE / 2} ${EDGE}V${SIZE - EDGE}`, stroke: "currentColor", opacity: 0.3 }));
  const words = [["yellow", EDGE, SIZE / 2 - 5, "start"], ["blue (U)", SIZE - EDGE, SIZE / 2 - 5, "end"], ["red (V)", SIZE / 2 + 5, EDGE + 8, "start"], ["green", SIZE / 2 + 5, SIZE - EDGE, "start"]];
  for (const [text, x, y, anchor] of words) svg.append(node("text", { x, y, "text-anchor": anchor, class: "axis" }, text));
  const most = Math.max(...one.points.map((each) => each[2]));
  for (const [u, v, share] of [...one.points].reverse()) {
    const r = one.regression ? 4 : 1.4 + 11 * Math.sqrt(share / most);
    svg.append(node("circle", { cx: across(u), cy: down(v), r, fill: shade(about.tone, u, v).color, stroke: "#0007", "stroke-width": 0.5 }));
  }
  const labels = [];
  one.modes.forEach(({ uv: [u, v] }, index) => {
    for (const [stroke, width] of [["#fff", 5], ["#111", 2.2]]) svg.append(node("circle", { cx: across(u), cy: down(v), r: 13, fill: "none", stroke, "stroke-width": width }));
    labels.push([across(u), down(v), String(index + 1), 15]);
  });
  if (about.truth) {
    const [u, v] = about.truth;
    svg.append(node("path", { d: star(across(u), down(v), 12), fill: "#fff", stroke: "#111", "stroke-width": 1.8 }));
    labels.push([across(u), down(v), "truth", 13]);
  }
  const [u, v] = one.chosen;
  for (const [stroke, width] of [["#fff", 5], ["#111", 1.8]])
    svg.append(node("rect", { x: across(u) - 8, y: down(v) - 8, width: 16, height: 16, transform: `rotate(45 ${across(u)} ${down(v)})`, fill: one.chosen_color, stroke, "stroke-width": width }));
  labels.push([across(u), down(v), "page", 14]);
  const [mu, mv] = one.mean;
  const plus = `M${across(mu) - 12} ${down(mv)}h24M${across(mu)} ${down(mv) - 12}v24`;
  svg.append(node("path", { d: plus, stroke: "#fff", "stroke-width": 7 }), node("path", { d: plus, stroke: "#111", "stroke-width": 3 }));
  labels.push([across(mu), down(mv), one.regression ? "answer" : "mean", 14]);
  write(svg, labels.filter((each) => large || each[2].length === 1));
  return svg;
}

/** Writes words beside their places, each where the fewest others are in its way. */
function write(svg, labels) {
  const taken = labels.map(([x, y, , r]) => [x - r, y - r, x + r, y + r]);
  for (const [x, y, text, r] of labels) {
    const wide = 8.2 * text.length;
    const tries = [0, 45, -45, 90, -90, 135, -135, 180].flatMap((angle) =>
      [r + 3, r + 22, r + 44].map((away) => {
        const cx = x + Math.cos((angle * Math.PI) / 180) * (away + wide / 2);
        const cy = y - Math.sin((angle * Math.PI) / 180) * (away + 5);
        const box = [cx - wide / 2, cy - 8, cx + wide / 2, cy + 8];
        const over = taken.reduce((sum, each) => sum + Math.max(0, Math.min(box[2], each[2]) - Math.max(box[0], each[0])) * Math.max(0, Math.min(box[3], each[3]) - Math.max(box[1], each[1])), 0);
        const out = Math.max(0, 2 - box[0], box[2] - SIZE + 2, 2 - box[1], box[3] - SIZE + 2);
        return { box, cx, cy, cost: over + 40 * out + 1.5 * (away - r) };
      }),
    );
    const best = tries.reduce((one, other) => (other.cost < one.cost ? other : one));
    taken.push(best.box);
    const far = Math.hypot(best.cx - x, best.cy - y) - wide / 2 > r + 12;
    if (far) svg.append(node("path", { d: `M${x} ${y}L${best.cx} ${best.cy}`, stroke: "#111", "stroke-width": 1, opacity: 0.6 }));
    svg.append(node("text", { x: best.cx, y: best.cy + 4.5, "text-anchor": "middle", class: "label" }, text));
  }
}

function star(x, y, size) {
  const points = [...Array(10).keys()].map((each) => {
    const r = each % 2 ? size * 0.45 : size;
    const angle = (each * Math.PI) / 5 - Math.PI / 2;
    return `${x + r * Math.cos(angle)} ${y + r * Math.sin(angle)}`;
  });
  return `M${points.join("L")}Z`;
}

/** What is possible, as wide as it is probable, and below it what averaging makes of it. */
function bars(about, one) {
  const part = (color, share, text, hint) => {
    const made = element("span", { color, title: hint ?? text }, element("b", {}, text));
    made.style.flexGrow = share;
    made.classList.toggle("light", about.tone > 0.55);
    return made;
  };
  const line = (words, ...parts) => element("div", { className: "bar" }, element("small", {}, words), element("div", {}, ...parts));
  const made = element("div", { className: "bars" });
  if (one.regression) made.append(line("its one answer", part(one.mean_color, 1, "✚")));
  else
    made.append(
      line("possible, as wide as probable", ...one.modes.map((each, index) => part(each.color, each.share, each.share > 0.05 ? String(index + 1) : "", `${index + 1}: ${each.color}, ${percent(each.share)}`))),
      line("their mean: what a regression would answer", part(one.mean_color, 1, "✚")),
    );
  made.append(line("what the page has now", part(one.chosen_color, 1, "◆")));
  if (about.truth_color) made.append(line("what the page was: the truth", part(about.truth_color, 1, "★")));
  return made;
}

/** What the picture shows, in a sentence or two, by its numbers. */
function lesson(one) {
  const mean = chroma(one.mean);
  if (one.regression) return `${title(one.layer)} is a regression: it answers with one colour, of chroma ${mean.toFixed(2)}. What else there could be, it cannot say.`;
  const [first, second] = one.modes;
  const strongest = Math.max(...one.modes.map((each) => chroma(each.uv)));
  const minds = one.modes.filter((each) => each.share > 0.15).length;
  const sure = `The model is ${minds < 2 ? "fairly sure" : minds < 3 ? "of two minds" : "of several minds"} (${one.bits.toFixed(1)} of 12 bits). `;
  if (!second) return `${sure}It knows one colour here, so that averaging does little harm.`;
  const among = `The mean has chroma ${mean.toFixed(2)}, the possible colours up to ${strongest.toFixed(2)}: `;
  const far = Math.min(...one.modes.map((each) => Math.hypot(each.uv[0] - one.mean[0], each.uv[1] - one.mean[1])));
  if (far > 0.05) return `${sure}${among}averaging makes a colour that is none of them.`;
  if (mean < 0.7 * strongest) return `${sure}${among}averaging makes it dull.`;
  return `${sure}${among}averaging loses little here, as the first has ${percent(first.share)}.`;
}

function figure(about, large) {
  const far = reach(about);
  return about.layers.map((one) =>
    element("div", { className: "one" }, element("strong", {}, title(one.layer)), drawing(about, one, far, large), bars(about, one), element("p", { className: "lesson" }, lesson(one))),
  );
}

/** Whether the panel is open: it costs a question to the models. */
const wanted = () => $("tab-plane").getAttribute("aria-selected") === "true";

/** Asks about the place that is chosen, if the panel is open. */
export async function refresh() {
  const { selection } = state;
  if (!selection || !wanted()) return;
  const layers = [...new Set([layer(state.left), layer(state.right)])].filter((each) => each !== "grey" && each !== "truth");
  if (!layers.length) layers.push(state.book.own);
  const { x, y } = selection;
  const about = await attempt(() => post(`/api/page/${state.page}/plane`, { x, y, layers }));
  if (!about) return;
  shown = about;
  $("no-plane").hidden = true;
  $("plane").hidden = $("enlarge").hidden = false;
  $("plane").replaceChildren(...figure(about, false));
  if ($("large").open) enlarge();
}

function enlarge() {
  $("large").querySelector("figure").replaceChildren(...figure(shown, true));
  $("large").classList.toggle("two", shown.layers.length > 1);
  if (!$("large").open) $("large").showModal();
}
$("enlarge").onclick = enlarge;
