
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en");
// Three digits; small numbers with their power of ten.
const short = (number) => (number && Math.abs(number) < 1e-3 ? number.toExponential(2) : String(Number(number.toPrecision(3))));
const units = data.units;
const starts = data.starts ?? units.map((_, place) => place);
// A token that scores at or above the threshold is shaded by how many times the threshold it is.
const SHADES = [1, 1.5, 2.5, 5];
// Where the threshold is not above zero a token is shaded by its rank among the critical ones instead.
const RANKS = [1, 0.4, 0.15, 0.05];
const LONGEST_NOISE = 60, KEPT_ENDS = 10, BLOCK = 400, FOLDED_FROM = 3000, TOP = 20, SLIDER = 1000, NEAR = 1200;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Scores, each unit with the highest of its tokens.
const instruments = data.instruments.map(({ name, title, scores }) => {
  const sorted = Float64Array.from(scores).sort();
  const highest = starts.map((start, unit) => {
    let most = scores[start];
    for (let token = start + 1; token < (starts[unit + 1] ?? scores.length); token++) most = Math.max(most, scores[token]);
    return most;
  });
  return { name, title, sorted, scores: highest, mean: scores.reduce((sum, score) => sum + score, 0) / scores.length };
});

// How many tokens score below a value.
function below(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

const state = { instrument: instruments[0], threshold: instruments[0].mean, opened: new Set(), levels: new Uint8Array(units.length) };

// The slider goes by the share of noise, finer where few tokens are left above.
const shareAt = (position) => 1 - (1 - position / SLIDER) ** 2;
const positionOf = (share) => Math.round(SLIDER * (1 - Math.sqrt(1 - share)));
function thresholdAt(position) {
  const { sorted } = state.instrument;
  const place = Math.floor(shareAt(position) * sorted.length);
  return place < sorted.length ? sorted[place] : Infinity;
}

// 0 for noise, 1 to 4 for the shades.
function level(score) {
  const { threshold, instrument: { sorted } } = state;
  if (!(score >= threshold)) return 0;
  if (threshold > 0) return SHADES.filter((bound) => score >= bound * threshold).length;
  const share = (sorted.length - below(sorted, score)) / (sorted.length - below(sorted, threshold));
  return RANKS.filter((bound) => share <= bound).length;
}

const partOf = new Array(units.length);
for (const part of data.parts) partOf.fill(part, part.start, part.end);

// Runs of units to show and stretches of noise to fold, in order.
function items() {
  const found = [];
  const add = (start, end, folded) => { if (start < end) found.push({ start, end, folded }); };
  let shown = 0;
  for (let unit = 0; unit < units.length; ) {
    if (state.levels[unit] || partOf[unit].kind !== "irrelevant") { unit++; continue; }
    let end = unit;
    while (end < units.length && !state.levels[end] && partOf[end].kind === "irrelevant") end++;
    const start = unit + KEPT_ENDS, stop = end - KEPT_ENDS;
    if (end - unit > LONGEST_NOISE && ![...state.opened].some((open) => start <= open && open < stop)) {
      add(shown, start, false);
      add(start, stop, true);
      shown = stop;
    }
    unit = end;
  }
  add(shown, units.length, false);
  return found;
}

// The text is cut into blocks; one is filled when it comes near the window and emptied when it has gone.
let blocks = [];
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) (isIntersecting ? fill : empty)(blocks[target.dataset.block]);
}, { rootMargin: `${NEAR}px` });

function layOut() {
  const place = byId("text"), kept = byId("fold").checked ? items() : [{ start: 0, end: units.length, folded: false }];
  watcher.disconnect();
  place.replaceChildren();
  blocks = [];
  let current = null;
  const close = () => { if (current) { blocks.push(current); current = null; } };
  for (const item of kept) {
    for (let start = item.start; start < item.end; ) {
      current ??= { items: [], size: 0 };
      let end = item.folded ? item.end : Math.min(item.end, start + BLOCK - current.size);
      // A block ends at the end of a line where one is near.
      if (!item.folded) for (let more = 0; more < BLOCK / 2 && end < item.end && !units[end - 1].includes("\n"); more++) end++;
      current.items.push({ start, end, folded: item.folded });
      current.size += item.folded ? 1 : end - start;
      if (current.size >= BLOCK) close();
      start = end;
    }
  }
  close();
  const lineWidth = Math.max(place.clientWidth / 7.5, 20);
  blocks.forEach((block, index) => {
    block.element = element("div", "block");
    block.element.dataset.block = index;
    block.element.style.minHeight = `${Math.ceil(block.size * 4.2 / lineWidth) * 26}px`;
    place.append(block.element);
  });
  // What is in sight is drawn at once: waiting for the watcher would flicker.
  const inSight = blocks.filter((block) => {
    const { top, bottom } = block.element.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  });
  inSight.forEach(fill);
  blocks.forEach((block) => watcher.observe(block.element));
}

function fill(block) {
  if (block.filled) return;
  block.filled = true;
  const made = document.createDocumentFragment();
  for (const { start, end, folded } of block.items) {
    if (folded) made.append(foldButton(start, end));
    else for (let unit = start; unit < end; unit++) append(made, unit);
  }
  block.element.style.minHeight = "";
  block.element.replaceChildren(made);
}

function empty(block) {
  if (!block.filled) return;
  block.element.style.minHeight = `${block.element.offsetHeight}px`;
  block.filled = false;
  block.element.replaceChildren();
}

// The white space before a word takes no colour; a token of nothing else shows a mark where it is critical.
function append(parent, unit) {
  const text = units[unit], shade = state.levels[unit], word = text.trimStart();
  const space = text.slice(0, text.length - word.length);
  if (space && (word || !shade)) parent.append(space);
  if (!word && !shade) return;
  const shown = element("span", `t${shade ? ` c${shade - 1}` : ""}${markOf(partOf[unit].kind)}`, word || "␣");
  shown.dataset.unit = unit;
  parent.append(shown);
  if (!word) parent.append(space);
}

const markOf = (kind) => (kind === "question" || kind === "answer" ? ` ${kind}` : "");

function foldButton(start, end) {
  const tokens = (starts[end] ?? data.tokens) - starts[start];
  const button = element("button", "fold", `… ${count(tokens)} tokens of noise …`);
  button.type = "button";
  button.addEventListener("click", () => { state.opened.add(start); layOut(); });
  return button;
}

// Everything that depends on the instrument or the threshold.
function show() {
  const { instrument, threshold } = state;
  for (let unit = 0; unit < units.length; unit++) state.levels[unit] = level(instrument.scores[unit]);
  const noise = below(instrument.sorted, threshold);
  const share = (100 * noise / data.tokens).toFixed(1);
  const value = threshold === Infinity ? "above all scores" : `${short(threshold)}`;
  const times = instrument.mean > 0 && threshold < Infinity ? ` (${short(threshold / instrument.mean)} times the mean)` : "";
  byId("summary").textContent =
    `Threshold ${value}${times}. ${share} % of the ${count(data.tokens)} tokens are noise; ${count(data.tokens - noise)} are critical.`;
  byId("threshold").setAttribute("aria-valuetext", `${share} % noise`);
  legend(threshold > 0);
  layOut();
}

function legend(byRatio) {
  const names = byRatio ? SHADES.map((bound) => `from ${bound} times the threshold`)
    : RANKS.map((share) => `the highest ${100 * share} % of the critical`);
  byId("legend").replaceChildren(...["noise", ...names].map((name, index) => {
    const line = element("li");
    line.append(element("span", index ? `t c${index - 1}` : "t", "token"), ` ${name}`);
    return line;
  }));
}

function chooseInstrument(name) {
  state.instrument = instruments.find((each) => each.name === name) ?? instruments[0];
  byId("instrument").value = state.instrument.name;
  takeMean();
  topTable();
}

function takeMean() {
  const { mean, sorted } = state.instrument;
  state.threshold = mean;
  byId("threshold").value = positionOf(below(sorted, mean) / sorted.length);
  show();
}

function topTable() {
  const { scores, sorted } = state.instrument;
  const order = units.map((_, unit) => unit).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, TOP);
  byId("top-note").textContent = `By ${state.instrument.title}, over text, question and answer.`;
  byId("top").replaceChildren(...order.map((unit) => {
    const line = element("tr"), go = element("button", "", count(starts[unit] + 1)), where = element("td", "context");
    go.type = "button";
    go.setAttribute("aria-label", `Show token ${starts[unit] + 1} in the text`);
    go.addEventListener("click", () => goTo(unit));
    where.append(units.slice(Math.max(0, unit - 6), unit).join(""), element("mark", "", units[unit]), units.slice(unit + 1, unit + 7).join(""));
    const kind = partOf[unit].kind;
    const cells = [String(rank(scores[unit], sorted)), shownText(unit), kind === "irrelevant" ? "text" : kind].map((text) => element("td", "", text));
    const place = element("td", "n");
    place.append(go);
    line.append(...cells, element("td", "n", short(scores[unit])), place, where);
    return line;
  }));
}

// One more than the tokens that score higher.
function rank(score, sorted) {
  let place = below(sorted, score);
  while (place < sorted.length && sorted[place] === score) place++;
  return sorted.length - place + 1;
}
const shownText = (unit) => units[unit].trim() || JSON.stringify(units[unit]);

function goTo(unit) {
  let block = blocks.find((each) => each.items.some((item) => !item.folded && item.start <= unit && unit < item.end));
  if (!block) {
    state.opened.add(unit);
    layOut();
    block = blocks.find((each) => each.items.some((item) => !item.folded && item.start <= unit && unit < item.end));
  }
  fill(block);
  const found = block.element.querySelector(`[data-unit="${unit}"]`) ?? block.element;
  document.querySelectorAll(".found").forEach((each) => each.classList.remove("found"));
  found.classList.add("found");
  found.scrollIntoView({ block: "center" });
}

// Tooltips: one for all tokens.
function tip(event) {
  const target = event.target.closest?.("[data-unit]"), box = byId("tip");
  box.hidden = !target;
  if (!target) return;
  const unit = Number(target.dataset.unit), { scores, sorted, title } = state.instrument, score = scores[unit];
  const times = state.threshold > 0 && state.threshold < Infinity ? `\n${short(score / state.threshold)} times the threshold` : "";
  box.textContent = `${shownText(unit)}\nrank ${count(rank(score, sorted))} of ${count(sorted.length)}\n${title}: ${short(score)}${times}`;
  const around = target.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(around.left, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${around.bottom + box.offsetHeight + 8 > innerHeight ? around.top - box.offsetHeight - 6 : around.bottom + 6}px`;
}

function head() {
  // The last line is the question; instructions before it are folded.
  const asked = data.question.replace(/\s*Answer:\s*$/, ""), line = asked.slice(asked.lastIndexOf("\n") + 1);
  byId("question").textContent = line;
  byId("asked").textContent = data.question;
  byId("asked").parentElement.hidden = line === asked;
  document.title = `Inspector: ${line.slice(0, 80)}`;
  byId("answer").textContent = data.answer;
  byId("own").textContent = data.own.text || "(nothing)";
  byId("verdict").textContent = data.own.right ? "✓ right" : "✗ wrong";
  byId("verdict").className = data.own.right ? "right" : "wrong";
  byId("model").textContent = data.model;
  byId("source").textContent = `${data.source}, ${count(data.tokens)} tokens${data.window ? ` of at most ${count(data.window)}` : ""}`;
  byId("instrument").replaceChildren(...instruments.map(({ name, title }) => {
    const option = element("option", "", title);
    option.value = name;
    return option;
  }));
}

// A state in the address: #instrument=attention&threshold=900&fold=0
function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  byId("fold").checked = given.has("fold") ? given.get("fold") !== "0" : data.tokens > FOLDED_FROM;
  chooseInstrument(given.get("instrument"));
  if (given.has("threshold")) move(given.get("threshold"));
}

function move(position) {
  byId("threshold").value = position;
  state.threshold = thresholdAt(Number(position));
  show();
}

// The loss over the step size, as a chart and as a table.
const LOOK = { width: 760, height: 320, left: 74, right: 12, top: 10, bottom: 44 };

function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function curve() {
  const { steps, lines } = data.curve, all = [data.loss, ...lines.flatMap((line) => line.losses)];
  // Losses that lie orders apart are drawn on a logarithmic scale.
  const least = Math.max(Math.min(...all), 1e-9), most = Math.max(...all), wide = most / least > 20;
  const height = wide ? (loss) => Math.log10(Math.max(loss, 1e-9)) : (loss) => loss;
  const low = wide ? Math.floor(height(least)) : 0, high = wide ? Math.ceil(height(most)) : most * 1.08 || 1;
  const first = Math.log10(steps[0]), last = Math.log10(steps.at(-1));
  const x = (step) => LOOK.left + (Math.log10(step) - first) / (last - first) * (LOOK.width - LOOK.left - LOOK.right);
  const y = (loss) => LOOK.height - LOOK.bottom - (height(loss) - low) / (high - low) * (LOOK.height - LOOK.top - LOOK.bottom);
  const chart = drawn("svg", { viewBox: `0 0 ${LOOK.width} ${LOOK.height}`, role: "img", "aria-label": "Loss of the answer over the step size" });
  const ticks = wide ? Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)) : [0, 1, 2, 3, 4].map((part) => high * part / 4);
  for (const tick of ticks) {
    chart.append(drawn("line", { class: "grid", x1: LOOK.left, x2: LOOK.width - LOOK.right, y1: y(tick), y2: y(tick) }));
    chart.append(drawn("text", { x: LOOK.left - 8, y: y(tick) + 4, "text-anchor": "end" }, wide ? power(tick) : short(tick)));
  }
  for (let exponent = Math.ceil(first); exponent <= last; exponent++)
    chart.append(drawn("text", { x: x(10 ** exponent), y: LOOK.height - LOOK.bottom + 18, "text-anchor": "middle" }, power(10 ** exponent)));
  chart.append(drawn("text", { x: (LOOK.left + LOOK.width) / 2, y: LOOK.height - 6, "text-anchor": "middle" }, "step size (learning rate times beta)"));
  chart.append(drawn("text", { transform: `translate(13 ${LOOK.height / 2 - 20}) rotate(-90)`, "text-anchor": "middle" }, "loss (nats a token)"));
  chart.append(drawn("line", { class: "before", x1: LOOK.left, x2: LOOK.width - LOOK.right, y1: y(data.loss), y2: y(data.loss) }));
  lines.forEach((line, index) => {
    const points = steps.map((step, place) => `${x(step).toFixed(1)},${y(line.losses[place]).toFixed(1)}`);
    chart.append(drawn("polyline", { class: `curve l${index}`, points: points.join(" ") }));
    steps.forEach((step, place) => {
      const dot = drawn("circle", { class: `dot l${index}`, cx: x(step), cy: y(line.losses[place]), r: line.right[place] ? 4 : 2 });
      dot.append(drawn("title", {}, `${line.title}, step ${short(step)}: ${short(line.losses[place])}, answer ${line.right[place] ? "right" : "wrong"}`));
      chart.append(dot);
    });
  });
  byId("curve").replaceChildren(chart);
  curveWords();
}

const power = (number) => {
  const exponent = Math.round(Math.log10(number));
  return exponent >= -2 && exponent <= 3 ? String(Number((10 ** exponent).toPrecision(1))) : `1e${exponent}`;
};

function curveWords() {
  const { steps, lines } = data.curve;
  const lowest = (line) => line.losses.reduce((best, loss, place) => (loss < line.losses[best] ? place : best), 0);
  const told = lines.map((line) => `${line.title}: ${short(line.losses[lowest(line)])} at step ${short(steps[lowest(line)])}`);
  byId("curve-note").textContent =
    `Before: ${short(data.loss)} nats a token. Lowest: ${told.join("; ")}. Each shift descends the loss of the very answer that is ` +
    "judged, or is as long: only what noise does and the others do not speaks for denoising. Large dots: the answer is right.";
  byId("curve-legend").replaceChildren(...lines.map((line, index) => {
    const shown = element("li");
    shown.append(element("span", `swatch l${index}${index ? " dashed" : ""}`), line.title);
    return shown;
  }));
  const title = element("tr");
  for (const name of ["step", ...lines.map((line) => line.title)]) {
    const cell = element("th", name === "step" ? "" : "n", name);
    cell.scope = "col";
    title.append(cell);
  }
  byId("curve-head").replaceChildren(title);
  byId("curve-rows").replaceChildren(...steps.map((step, place) => {
    const row = element("tr");
    row.append(element("td", "", short(step)), ...lines.map((line) => element("td", "n", `${short(line.losses[place])} ${line.right[place] ? "✓" : "✗"}`)));
    return row;
  }));
}

head();
curve();
let waiting = 0;
byId("instrument").addEventListener("change", (event) => chooseInstrument(event.target.value));
byId("threshold").addEventListener("input", (event) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => move(event.target.value));
});
byId("mean").addEventListener("click", takeMean);
byId("fold").addEventListener("change", () => { state.opened.clear(); layOut(); });
for (const kind of ["pointerover", "click", "focusin"]) document.addEventListener(kind, tip);
addEventListener("scroll", () => { byId("tip").hidden = true; }, { passive: true });
addEventListener("hashchange", fromAddress);
fromAddress();
