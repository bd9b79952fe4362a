"use strict";
// Tables: a heading sorts, words filter, buttons choose columns. Galleries: a slider between any two pictures.

function refresh(table) {
  const id = table.id;
  const filter = document.querySelector(`[data-filter="${id}"]`);
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const machine = document.querySelector(`[data-machine-of="${id}"]`)?.value || "";
  const references = document.querySelector(`[data-references="${id}"]`)?.checked ?? true;
  const rows = [...table.tBodies[0].rows];
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word))
      || (machine !== "" && row.dataset.machine !== machine)
      || (!references && row.classList.contains("reference"));
    shown += row.hidden ? 0 : 1;
  }
  const count = document.querySelector(`[data-count="${id}"]`);
  count.value = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
}

function sort(table, heading) {
  const button = heading.querySelector("button");
  const now = heading.getAttribute("aria-sort");
  const next = now === null ? button.dataset.first : now === "ascending" ? "descending" : "ascending";
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", next);
  const sign = next === "ascending" ? 1 : -1;
  const key = (row) => {
    const cell = row.cells[heading.cellIndex];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  const empty = (value) => value === "" || value === "–";
  const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
  rows.sort(([a], [b]) => {
    if (empty(a) || empty(b)) return Number(empty(a)) - Number(empty(b)); // what is not known comes last, either way
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function choose(table, group) {
  for (const cell of table.querySelectorAll("[data-group]")) {
    cell.hidden = group !== "all" && cell.dataset.group !== group;
  }
  for (const button of document.querySelectorAll(`button.choice[data-table="${table.id}"]`)) {
    button.setAttribute("aria-pressed", String(button.dataset.group === group));
  }
}

for (const table of document.querySelectorAll("table")) {
  for (const heading of table.tHead.rows[0].cells) {
    heading.querySelector("button").addEventListener("click", () => sort(table, heading));
  }
  document.querySelector(`[data-filter="${table.id}"]`).addEventListener("input", () => refresh(table));
  document.querySelector(`[data-machine-of="${table.id}"]`)?.addEventListener("change", () => refresh(table));
  document.querySelector(`[data-references="${table.id}"]`)?.addEventListener("change", () => refresh(table));
  if (table.dataset.show) choose(table, table.dataset.show);
}
for (const button of document.querySelectorAll("button.choice")) {
  button.addEventListener("click", () => choose(document.getElementById(button.dataset.table), button.dataset.group));
}

for (const gallery of document.querySelectorAll(".gallery")) {
  const role = (name) => gallery.querySelector(`[data-role="${name}"]`);
  const pictures = JSON.parse(gallery.querySelector("script").textContent);
  const show = () => {
    const image = pictures[Number(role("image").value)];
    for (const side of ["left", "right"]) {
      const name = role(side).value;
      for (const place of [`picture-${side}`, `strip-${side}`]) {
        role(place).src = image[name];
        role(place).alt = `What ${name} made of ${role("image").selectedOptions[0].text}`;
      }
      role(`name-${side}`).textContent = name;
    }
    role("strip-grey").src = image.grey;
    role("strip-truth").src = image.truth;
  };
  const slide = () => gallery.querySelector(".pair").style.setProperty("--at", `${role("slider").value}%`);
  for (const name of ["image", "left", "right"]) role(name).addEventListener("change", show);
  role("slider").addEventListener("input", slide);
  show();
  slide();
}
