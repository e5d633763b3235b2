"use strict";
// Draws the page from the JSON beside it. In: the element `data`. Out: tables, charts and pictures, all of which the search filters.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
/** A table shows no more rows until it is asked to. */
const MAX_ROWS = 25;
const COLORS = ["#4c78a8", "#f58518", "#54a24b", "#b279a2", "#72b7b2", "#e45756", "#9d755d", "#eeca3b"];

// Numbers with units.

function scaled(value, base, units) {
  let unit = 0;
  for (; unit + 1 < units.length && value >= base; unit += 1) value /= base;
  return `${unit === 0 ? String(value) : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`;
}
const bytesText = (bytes) => scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
const flopsText = (flops) => scaled(flops, 1000, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"]);
/** One unit for the whole page, so that times can be compared by eye. */
const timeText = (ns) => (data.summary.ns < 1e7 ? `${(ns / 1e3).toFixed(2)} µs` : `${(ns / 1e6).toFixed(3)} ms`);
const shareText = (part, whole) => `${(whole > 0 ? (100 * part) / whole : 0).toFixed(1)} %`;
const rateText = (amount, ns) => (amount / Math.max(ns, 1)).toFixed(2);

/** A place without the folders that all places share. */
const shortPlace = (() => {
  const places = [...data.time, ...data.bytes, ...data.steps, ...data.memory.rows, ...(data.rules ? data.rules.rows : [])]
    .map((row) => row.place);
  const folders = (place) => place.split("/").slice(0, -1);
  let shared = places.length > 0 ? folders(places[0]) : [];
  places.map(folders).forEach((others) => {
    const differs = shared.findIndex((folder, depth) => folder !== others[depth]);
    if (differs >= 0) shared = shared.slice(0, differs);
  });
  return (place) => place.split("/").slice(shared.length).join("/");
})();

// Elements.

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.textContent = text;
  return made;
}

function drawn(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  if (text) made.textContent = text;
  return made;
}

// What is filtered, by name: a function of the words that are looked for, which gives the number of hits.

const filters = [];
const hits = (words, text) => words.every((word) => text.includes(word));

function search() {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter((word) => word);
  const counts = filters.map(({ name, filter }) => [filter(words), name]);
  const text = counts.map(([count, name]) => `${name} ${count}`).join(", ");
  document.getElementById("found").textContent = words.length === 0 ? "" : `found: ${text}`;
}

function lookFor(text) {
  document.getElementById("search").value = text;
  search();
}

// Tables. A column is a heading, what its cell says of a row, and the number behind that, if it is one.

function tableOf(id, name, columns, rows, none) {
  const table = document.getElementById(id);
  if (rows.length === 0) {
    table.replaceWith(element("p", { id }, none));
    return;
  }
  const head = element("tr");
  columns.forEach(({ title, kind }) => head.append(element("th", { class: kind || "number" }, title)));
  table.append(element("thead"), element("tbody"));
  table.tHead.append(head);
  const more = element("button");
  table.after(more);
  const texts = rows.map((row) => `${row.place} ${row.text || ""} ${row.rule || ""}`.toLowerCase());
  let most = MAX_ROWS;
  let shown = rows;
  const show = () => {
    table.tBodies[0].replaceChildren(...shown.slice(0, most).map((row) => tableRow(columns, row)));
    more.hidden = shown.length <= most;
    more.textContent = `show all ${shown.length} rows`;
  };
  more.addEventListener("click", () => { most = Infinity; show(); });
  filters.push({ name, filter: (words) => {
    shown = rows.filter((_, position) => hits(words, texts[position]));
    show();
    return shown.length;
  } });
}

function tableRow(columns, row) {
  const line = element("tr", row.depth > 0 ? { class: "inner" } : {});
  columns.forEach(({ kind, says, number }) => {
    const cell = element("td", { class: kind || "number" });
    if (number) cell.dataset.value = number(row);
    if (kind === "place") cell.title = row.place;
    if (kind === "words") cell.title = says(row);
    if (kind === "bar") cell.append(element("span", { style: `width: ${(100 * says(row)).toFixed(1)}%` }));
    else if (kind === "words") cell.append(element("div", {}, says(row)));
    else cell.textContent = says(row);
    line.append(cell);
  });
  return line;
}

const placeColumn = { title: "line", kind: "place", says: (row) => shortPlace(row.place) };
const wordsColumn = (title) => ({ title, kind: "words", says: (row) => row.text });
const bytesColumn = (title) => ({ title, says: (row) => bytesText(row.bytes), number: (row) => row.bytes });
const timeColumn = { title: "time", says: (row) => timeText(row.ns), number: (row) => row.ns };
const flopsColumn = { title: "operations", says: (row) => flopsText(row.flops), number: (row) => row.flops };

function lineTables() {
  const total = data.summary.ns;
  const peak = data.memory.peak ? data.memory.peak.bytes : 0;
  const part = (kind, whole) => [
    { title: "share", says: (row) => shareText(row[kind], whole) },
    { title: "", kind: "bar", says: (row) => row[kind] / Math.max(whole, 1) },
  ];
  tableOf("lines-by-time", "lines by time", [
    placeColumn, timeColumn, ...part("ns", total), { title: "steps", says: (row) => row.steps }, flopsColumn,
    bytesColumn("bytes moved"),
  ], data.time, "No step runs.");
  tableOf("lines-by-bytes", "lines at the peak", [
    placeColumn, bytesColumn("live bytes"), ...part("bytes", peak), { title: "values", says: (row) => row.values },
  ], data.bytes, "Nothing lies between steps.");
}

function otherTables() {
  tableOf("steps", "steps", [
    { title: "step", says: (row) => row.step }, wordsColumn("what it does"), placeColumn, timeColumn,
    { title: "share", says: (row) => shareText(row.ns, data.summary.ns) }, { title: "times", says: (row) => row.count },
    flopsColumn, { title: "GFLOP/s", says: (row) => rateText(row.flops * row.count, row.ns) },
    bytesColumn("bytes moved"), { title: "GB/s", says: (row) => rateText(row.bytes * row.count, row.ns) },
  ], data.steps, "No step runs.");
  tableOf("memory", "values in the arena", [
    wordsColumn("value"), placeColumn, { title: "from byte", says: (row) => row.offset }, bytesColumn("bytes"),
    { title: "first step", says: (row) => row.first }, { title: "last step", says: (row) => row.last },
  ], data.memory.rows, "Nothing lies between steps.");
  const rules = data.rules;
  const [nodes, flops] = rules ? [rules.nodes, rules.flops] : [];
  document.getElementById("rewritten").textContent = rules
    ? `${nodes[0]} nodes became ${nodes[1]}; operations on floats: ${flops[0]} became ${flops[1]}.`
    : "A reference program is not rewritten.";
  tableOf("rules", "rules", [
    { title: "rule", kind: "words", says: (row) => row.rule }, { title: "class", kind: "words", says: (row) => row.class },
    placeColumn, { title: "times", says: (row) => row.count, number: (row) => row.count },
  ], rules ? rules.rows : [], "No rule fired.");
}

// Charts: rectangles with tips, which the search dims.

function chart(id, height) {
  const svg = drawn("svg", { class: "chart", viewBox: `0 0 1360 ${height}` });
  document.getElementById(id).append(svg);
  return svg;
}

/** Adds marks with what they stand for; a mark is looked for by that. */
function marks(svg, made) {
  const texts = made.map(({ row, mark }) => {
    mark.addEventListener("click", () => lookFor(row.place));
    svg.append(mark);
    return `${row.place} ${row.text}`.toLowerCase();
  });
  filters.push({ name: svg.parentNode.id === "timeline" ? "in the timeline" : "in the memory map", filter: (words) => {
    const isHit = texts.map((text) => hits(words, text));
    made.forEach(({ mark }, position) => mark.classList.toggle("dim", !isHit[position]));
    return isHit.filter((hit) => hit).length;
  } });
}

const KINDS = [["product", /^dot/, COLORS[0]], ["fused", /^fused/, COLORS[2]], ["body", / steps?/, COLORS[3]], ["other", /./, COLORS[1]]];
const colorOfStep = (row) => KINDS.find(([, pattern]) => pattern.test(row.text))[2];

function timeline() {
  const steps = data.steps.filter((row) => row.depth === 0);
  if (steps.length === 0) return;
  const [left, width] = [70, 1280];
  const svg = chart("timeline", 190);
  const total = Math.max(1, steps.reduce((sum, row) => sum + row.ns, 0));
  const lanes = [
    { name: "steps", top: 24, height: 40, part: () => 1 },
    { name: "GFLOP/s", top: 74, height: 40, rate: (row) => row.flops / Math.max(row.ns, 1) },
    { name: "GB/s", top: 124, height: 40, rate: (row) => row.bytes / Math.max(row.ns, 1) },
  ];
  lanes.forEach((lane) => {
    svg.append(drawn("text", { x: 6, y: lane.top + 18 }, lane.name));
    if (!lane.rate) return;
    // A step that takes no time to speak of is no measure for the others.
    const measured = steps.filter((row) => row.ns >= 0.005 * total);
    const most = measured.reduce((most, row) => Math.max(most, lane.rate(row)), 1e-9);
    lane.part = (row) => Math.min(lane.rate(row) / most, 1);
    svg.append(drawn("text", { x: 6, y: lane.top + 32 }, `to ${most.toFixed(1)}`));
  });
  KINDS.forEach(([name, , color], position) => {
    svg.append(drawn("rect", { x: left + 100 * position, y: 6, width: 10, height: 10, fill: color }));
    svg.append(drawn("text", { x: left + 100 * position + 14, y: 15 }, name));
  });
  for (let tick = 0; tick <= 4; tick += 1) {
    const anchor = tick === 0 ? "start" : tick === 4 ? "end" : "middle";
    svg.append(drawn("text", { x: left + (width * tick) / 4, y: 182, "text-anchor": anchor }, timeText((total * tick) / 4)));
  }
  let begin = 0;
  marks(svg, steps.map((row) => {
    const mark = drawn("g", { fill: colorOfStep(row) });
    const tip = `step ${row.step}: ${row.text}\n${row.place}\n${timeText(row.ns)}, ${flopsText(row.flops)}, ${bytesText(row.bytes)} moved`;
    mark.append(drawn("title", {}, tip));
    const [x, wide] = [left + (width * begin) / total, Math.max((width * row.ns) / total, 0.4)];
    lanes.forEach(({ top, height, part }) => {
      const tall = Math.max(height * part(row), 0.5);
      mark.append(drawn("rect", { x, y: top + height - tall, width: Math.max(wide - 0.5, 0.3), height: tall }));
    });
    begin += row.ns;
    return { row, mark };
  }));
}

function memoryMap() {
  const { steps, arena, live, peak, rows } = data.memory;
  document.getElementById("peak").textContent = peak && rows.length > 0
    ? `At step ${peak.step}, the fullest, ${bytesText(peak.bytes)} are live (${peak.bytes} bytes); the arena has ${bytesText(arena)}. ` +
      "The line above the map is the sum of what is live."
    : "No value lies between steps.";
  if (rows.length === 0) return;
  const [left, width, top, height, curve] = [90, 1260, 96, 280, 70];
  const svg = chart("memory-map", top + height + 24);
  const x = (step) => left + (width * step) / steps;
  const y = (byte) => top + (height * byte) / Math.max(arena, 1);
  const level = (bytes) => 10 + curve * (1 - bytes / Math.max(peak.bytes, 1));
  const path = live.map((bytes, step) => `H${x(step).toFixed(1)}V${level(bytes).toFixed(1)}H${x(step + 1).toFixed(1)}`).join("");
  svg.append(drawn("path", { d: `M${left} ${level(0)}${path}V${level(0)}`, fill: "#e8eef5", stroke: "#4c78a8" }));
  const places = [...new Set(rows.map((row) => row.place))];
  marks(svg, rows.map((row) => {
    const end = row.over ? row.last : row.last + 1;
    const mark = drawn("rect", {
      x: x(row.first), y: y(row.offset), width: Math.max(x(end) - x(row.first) - 0.3, 0.3),
      height: Math.max((height * row.bytes) / Math.max(arena, 1) - 0.3, 0.3), fill: COLORS[places.indexOf(row.place) % COLORS.length],
    });
    mark.append(drawn("title", {}, `${row.text}\n${row.place}\n${bytesText(row.bytes)} from byte ${row.offset}\nsteps ${row.first} – ${row.last}`));
    return { row, mark };
  }));
  svg.append(drawn("rect", {
    x: x(peak.step), y: 4, width: Math.max(width / steps, 1), height: top + height - 4, fill: "#d1495b", "fill-opacity": 0.12,
    stroke: "#d1495b", "stroke-dasharray": "4 3", "pointer-events": "none",
  }));
  [[level(peak.bytes) + 8, bytesText(peak.bytes)], [level(0), "0 B"], [top + 10, "byte 0"], [top + height, bytesText(arena)]]
    .forEach(([at, text]) => svg.append(drawn("text", { x: left - 6, y: at, "text-anchor": "end" }, text)));
  for (let tick = 0; tick <= 4; tick += 1) {
    const step = Math.round(((steps - 1) * tick) / 4);
    svg.append(drawn("text", { x: x(step + 0.5), y: top + height + 16, "text-anchor": tick === 4 ? "end" : "middle" }, `step ${step}`));
  }
}

// The graph: one picture at a time, of one of the graphs at one of its levels.

const picture = { graph: 0, level: 0, svg: null, boxes: [], view: null };

function showGraph(graph, level) {
  const { levels } = data.graphs[graph];
  const place = document.getElementById("graph");
  Object.assign(picture, { graph, level, svg: null, boxes: [] });
  document.getElementById("box").textContent = "";
  if (levels.length === 0) {
    place.replaceChildren(element("p", {}, "The graph has more boxes than can be placed, even with one for each line. The tables list its steps."));
  } else {
    const parsed = new DOMParser().parseFromString(levels[level].svg, "image/svg+xml").documentElement;
    picture.svg = document.importNode(parsed, true);
    picture.boxes = [...picture.svg.querySelectorAll("g")].map((mark, position) => ({ mark, ...levels[level].boxes[position] }));
    picture.boxes.forEach((box) => { box.text = box.words.join(" ").toLowerCase(); });
    place.replaceChildren(picture.svg);
    fit();
  }
  choices();
  search();
}

function choices() {
  const choice = document.getElementById("graph-choice");
  choice.replaceChildren();
  const button = (text, isChosen, act) => {
    const made = element("button", isChosen ? { class: "chosen" } : {}, text);
    made.addEventListener("click", act);
    choice.append(made);
  };
  data.graphs.forEach(({ name }, graph) => {
    const level = Math.min(picture.level, Math.max(data.graphs[graph].levels.length - 1, 0));
    button(name, graph === picture.graph, () => showGraph(graph, level));
  });
  choice.append(element("span", {}, " a box for:"));
  const { levels } = data.graphs[picture.graph];
  levels.forEach(({ name, boxes }, level) => button(`${name} (${boxes.length})`, level === picture.level, () => showGraph(picture.graph, level)));
  if (picture.svg) {
    choice.append(element("span", {}, " zoom:"));
    button("−", false, () => zoom(1.25, 0.5, 0.5));
    button("+", false, () => zoom(0.8, 0.5, 0.5));
    button("all", false, fit);
  }
}

function look(x, y, width, height) {
  picture.view = { x, y, width, height };
  picture.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
}

const area = () => document.getElementById("graph").getBoundingClientRect();

/** Shows a rectangle of the picture, in the middle and no larger than it is drawn. */
function focusOn(left, top, right, bottom) {
  const { width, height } = area();
  const scale = Math.max((right - left) / width, (bottom - top) / height, 1);
  look((left + right - scale * width) / 2, (top + bottom - scale * height) / 2, scale * width, scale * height);
}

function fit() {
  focusOn(0, 0, Number(picture.svg.getAttribute("width")), Number(picture.svg.getAttribute("height")));
}

function zoom(factor, partX, partY) {
  const { x, y, width, height } = picture.view;
  look(x + width * partX * (1 - factor), y + height * partY * (1 - factor), width * factor, height * factor);
}

function focusOnBoxes(boxes) {
  const sides = boxes.map(({ mark }) => {
    const rect = mark.querySelector("rect");
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
    return [x, y, x + width, y + height];
  });
  const side = (position, pick) => sides.reduce((found, all) => pick(found, all[position]), sides[0][position]);
  focusOn(side(0, Math.min) - 40, side(1, Math.min) - 40, side(2, Math.max) + 40, side(3, Math.max) + 40);
}

/** Goes to the next level where a box is several, and looks at what it became. */
function unfold(box) {
  const { levels } = data.graphs[picture.graph];
  if (picture.level + 1 < levels.length) {
    showGraph(picture.graph, picture.level + 1);
    const isInside = ({ path }) => box.path.every((word, depth) => path[depth] === word);
    const hasWord = ({ words }) => words.some((word) => box.words.includes(word));
    const inside = picture.boxes.filter(isInside);
    const became = inside.length > 0 ? inside : picture.boxes.filter(hasWord);
    if (became.length > 0) focusOnBoxes(became);
  }
  document.getElementById("box").textContent = `${box.path.join(" › ")}: ${box.words.slice(0, 40).join(", ")}`;
}

function moves() {
  const place = document.getElementById("graph");
  let held = null;
  place.addEventListener("wheel", (event) => {
    if (!picture.svg) return;
    event.preventDefault();
    const { left, top, width, height } = area();
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, (event.clientX - left) / width, (event.clientY - top) / height);
  }, { passive: false });
  place.addEventListener("pointerdown", (event) => { held = { x: event.clientX, y: event.clientY, view: picture.view }; });
  window.addEventListener("pointermove", (event) => {
    if (!held || !picture.svg || event.buttons === 0) return;
    const { x, y, width, height } = held.view;
    const scale = width / area().width;
    look(x - (event.clientX - held.x) * scale, y - (event.clientY - held.y) * scale, width, height);
  });
  window.addEventListener("pointerup", (event) => {
    const isClick = held && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 4;
    held = null;
    const box = isClick && picture.boxes.find(({ mark }) => mark.contains(event.target));
    if (box) unfold(box);
  });
  filters.push({ name: "boxes", filter: (words) => {
    const isHit = picture.boxes.map(({ text }) => hits(words, text));
    picture.boxes.forEach(({ mark }, position) => {
      mark.classList.toggle("dim", !isHit[position]);
      mark.classList.toggle("hit", words.length > 0 && isHit[position]);
    });
    return isHit.filter((hit) => hit).length;
  } });
}

function start() {
  const { steps, ns, flops, moved, arena, least, fed } = data.summary;
  document.getElementById("summary").textContent = `${steps} steps, ${timeText(ns)}, ${flopsText(flops)}, ${bytesText(moved)} moved; ` +
    `arena ${bytesText(arena)} (at least ${bytesText(least)}), fed and given ${bytesText(fed)}`;
  lineTables();
  timeline();
  otherTables();
  memoryMap();
  moves();
  if (data.graphs.length > 0) showGraph(0, 0);
  document.getElementById("search").addEventListener("input", search);
  // What stands behind `#` in the address is looked for.
  lookFor(decodeURIComponent(location.hash.slice(1)));
  document.body.dataset.ready = String(Math.round(performance.now()));
}

start();
