// The averaging, seen: what models find possible in a region, in the plane of U and V.

import { attempt, post } from "./api.js";
import { $, element, layer, percent, state, title } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = { u: 0.436, v: 0.615 };
const SIZE = 400;
const EDGE = 26;
const RGB = [[1, 0, 1.13983], [1, -0.39465, -0.5806], [1, 2.03211, 0]];
let shown = null;

const across = (u) => EDGE + ((u + MOST.u) / (2 * MOST.u)) * (SIZE - 2 * EDGE);
const down = (v) => EDGE + ((MOST.v - v) / (2 * MOST.v)) * (SIZE - 2 * EDGE);
const chroma = ([u, v]) => Math.hypot(u, v);

function node(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Red, green and blue of U and V at a luma, as the page would show it. */
function shade(tone, u, v) {
  const delta = RGB.map((row) => row[1] * u + row[2] * v);
  const room = Math.min(1, ...delta.map((each) => (each > 0 ? (1 - tone) / each : tone / -(each || -1e-9))));
  return { fits: room >= 1, color: `rgb(${delta.map((each) => Math.round(255 * (tone + Math.max(0, room) * each))).join(" ")})` };
}

/** The plane of one layer. */
function drawing(about, one) {
  const svg = node("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" });
  svg.append(node("title", {}, `Colours that ${title(one.layer)} finds possible in the region`));
  const step = 0.02;
  const wide = ((SIZE - 2 * EDGE) / (2 * MOST.u)) * step + 0.6;
  const high = ((SIZE - 2 * EDGE) / (2 * MOST.v)) * step + 0.6;
  const back = node("g", { opacity: 0.28, "aria-hidden": "true" });
  for (let u = -0.42; u <= 0.42; u += step)
    for (let v = -0.6; v <= 0.6; v += step) {
      const { fits, color } = shade(about.tone, u, v);
      if (fits) back.append(node("rect", { x: across(u) - wide / 2, y: down(v) - high / 2, width: wide, height: high, fill: color }));
    }
  svg.append(back);
  svg.append(node("path", { d: `M${EDGE} ${down(0)}H${SIZE - EDGE}M${across(0)} ${EDGE}V${SIZE - EDGE}`, stroke: "currentColor", opacity: 0.25 }));
  svg.append(node("text", { x: SIZE - EDGE, y: down(0) - 5, "text-anchor": "end", class: "axis" }, "U: blue"));
  svg.append(node("text", { x: EDGE, y: down(0) - 5, class: "axis" }, "yellow"));
  svg.append(node("text", { x: across(0) + 5, y: EDGE + 2, class: "axis" }, "V: red"));
  svg.append(node("text", { x: across(0) + 5, y: SIZE - EDGE + 6, class: "axis" }, "green"));
  const most = Math.max(...one.points.map((each) => each[2]));
  for (const [u, v, share] of [...one.points].reverse()) {
    const r = one.regression ? 3 : 1.6 + 9 * Math.sqrt(share / most);
    svg.append(node("circle", { cx: across(u), cy: down(v), r, fill: shade(about.tone, u, v).color, stroke: "#0006", "stroke-width": 0.6, "fill-opacity": 0.9 }));
  }
  one.modes.forEach((each, index) => {
    const [u, v] = each.uv;
    svg.append(node("circle", { cx: across(u), cy: down(v), r: 12, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
    label(svg, across(u) + 14, down(v) + 5, String(index + 1));
  });
  if (about.truth) {
    const [u, v] = about.truth;
    svg.append(node("path", { d: star(across(u), down(v), 11), fill: "#fff", stroke: "#000", "stroke-width": 1.6 }));
  }
  const [u, v] = one.chosen;
  svg.append(node("rect", { x: across(u) - 7, y: down(v) - 7, width: 14, height: 14, transform: `rotate(45 ${across(u)} ${down(v)})`, fill: one.chosen_color, stroke: "#fff", "stroke-width": 4 }));
  svg.append(node("rect", { x: across(u) - 7, y: down(v) - 7, width: 14, height: 14, transform: `rotate(45 ${across(u)} ${down(v)})`, fill: one.chosen_color, stroke: "#000", "stroke-width": 1.6 }));
  const [mu, mv] = one.mean;
  const plus = `M${across(mu) - 11} ${down(mv)}h22M${across(mu)} ${down(mv) - 11}v22`;
  svg.append(node("path", { d: plus, stroke: "#fff", "stroke-width": 6 }), node("path", { d: plus, stroke: "#000", "stroke-width": 2.6 }));
  return svg;
}

function label(svg, x, y, text) {
  svg.append(node("text", { x, y, stroke: "var(--card)", "stroke-width": 4, "font-weight": 700, "paint-order": "stroke" }, text));
}

function star(x, y, size) {
  const points = [...Array(10).keys()].map((each) => {
    const r = each % 2 ? size * 0.45 : size;
    const angle = (each * Math.PI) / 5 - Math.PI / 2;
    return `${x + r * Math.cos(angle)} ${y + r * Math.sin(angle)}`;
  });
  return `M${points.join("L")}Z`;
}

function legend(about, one) {
  const line = (color, text) => element("li", {}, element("i", { color }), text);
  const found = one.modes.map((each, index) => line(each.color, `${index + 1}: possible, ${percent(each.share)}`));
  if (!one.regression) found.push(line(one.mean_color, "✚ the mean: what a regression would answer"));
  else found.push(line(one.mean_color, "✚ its answer: the mean of what it has seen in such places"));
  found.push(line(one.chosen_color, "◆ what the page has now"));
  if (about.truth_color) found.push(line(about.truth_color, "★ the page's own colour"));
  return element("ul", { className: "legend" }, ...found);
}

/** What the picture shows, in a sentence or two, by its numbers. */
function lesson(one) {
  if (one.regression) return `${title(one.layer)} answers with one colour, its chroma ${chroma(one.mean).toFixed(2)}. It cannot say what else there could be.`;
  const [first, second] = one.modes;
  const mean = chroma(one.mean);
  const strongest = Math.max(...one.modes.map((each) => chroma(each.uv)));
  const sure = `The model is ${one.bits < 5 ? "fairly sure" : one.bits < 7.5 ? "of several minds" : "at a loss"} (${one.bits} of 12 bits). `;
  if (!second) return `${sure}It knows one colour here, and the mean is near it.`;
  const among = `Its mean has the chroma ${mean.toFixed(2)}, its colours up to ${strongest.toFixed(2)}: `;
  const far = Math.min(...one.modes.map((each) => Math.hypot(each.uv[0] - one.mean[0], each.uv[1] - one.mean[1])));
  if (far > 0.05) return `${sure}${among}averaging gives a colour that the thing never has.`;
  if (mean < 0.7 * strongest) return `${sure}${among}averaging makes it dull.`;
  return `${sure}${among}here the mean loses little, as the first colour has ${percent(first.share)}.`;
}

function figure(about, large) {
  return about.layers.flatMap((one) => {
    const words = element("div", {}, element("strong", {}, title(one.layer)), legend(about, one), element("p", { className: "lesson" }, lesson(one)));
    return large ? [drawing(about, one), words] : [element("div", {}, drawing(about, one), words)];
  });
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
  if (!$("large").open) $("large").showModal();
}
$("enlarge").onclick = enlarge;
