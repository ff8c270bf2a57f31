// The summary: what varies and the measures; the losses fold out. Only the rows in view are there.
const ROW = 44, AHEAD = 8;
let order = [], shownColumns = [], best = new Map(), drawn = "";
const cellOf = (name, i) => (name === "lane" ? lanes[i].number : value(name, i));

function arrange() { // numbers, then words, then nothing, whichever way the numbers go
  order = lanes.map((lane, i) => i);
  const name = view.sorted, rank = v => (v == null ? 2 : typeof v === "number" ? 0 : 1);
  if (name === null || (name !== "lane" && !columns.has(name))) return;
  order.sort((i, j) => {
    const [a, b] = [cellOf(name, i), cellOf(name, j)];
    const by = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return rank(a) - rank(b) || (view.rising ? 1 : -1) * by || i - j;
  });
}
function bests() {
  best = new Map(numeric.filter(name => columns.get(name).meaning && better(name) !== "neither").map(name => {
    const known = lanes.map((lane, i) => value(name, i)).filter(v => typeof v === "number");
    return [name, Math[better(name) === "higher" ? "max" : "min"](...known)];
  }));
}
function widthOf(name) { // of the longest word, so that none is cut
  const longest = lanes.reduce((most, lane, i) => Math.max(most, number(value(name, i)).length), 0);
  return Math.ceil(Math.max(longest * 7.6, name.length * 7.4 + 14, direction(name).length * 5.9)) + 20;
}
function renderTable() {
  shownColumns = ["lane", ...table.columns.filter(name => view.losses || columns.get(name).kind !== "loss")];
  const widths = shownColumns.map(name => (name === "lane" ? (innerWidth <= 700 ? 112 : 170) : widthOf(name))), whole = document.querySelector("#tablepart table");
  whole.querySelector("colgroup").replaceChildren(...widths.map(w => { const col = make("col"); col.style.width = `${w}px`; return col; }));
  whole.style.minWidth = `${widths.reduce((a, b) => a + b, 0)}px`;
  whole.querySelector("thead tr").replaceChildren(...shownColumns.map(heading));
  const folded = table.kinds.filter(kind => kind === "loss").length;
  $("losses").hidden = !folded;
  $("losses").textContent = view.losses ? "Hide losses" : folded === 1 ? "Show the loss" : `Show ${folded} losses`;
  $("losses").setAttribute("aria-pressed", view.losses);
  drawn = "";
  arrange(); renderRows(); tellMore();
}
function tellMore() { // a shadow where columns go on
  const scroll = document.querySelector("#tablepart .scroll");
  scroll.classList.toggle("more", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 1);
}
function foldLosses() { // and bring the first of them into view
  view.losses = !view.losses;
  renderTable(); remember();
  const first = document.querySelector("#tablepart th.loss"), scroll = document.querySelector("#tablepart .scroll");
  if (first) scroll.scrollLeft = first.offsetLeft - scroll.querySelector("th").offsetWidth - 24;
}
function heading(name) {
  const meaning = columns.get(name)?.meaning, kind = columns.get(name)?.kind ?? "axis";
  const button = make("button", { title: [meaning?.[0], `Sort by ${name}`].filter(Boolean).join(". "), onclick() {
    view.rising = view.sorted === name ? !view.rising : better(name) !== "higher";
    view.sorted = name;
    renderTable(); remember();
    document.querySelectorAll("thead button")[shownColumns.indexOf(name)].focus({ preventScroll: true });
  } }, make("span", { textContent: name }));
  if (meaning && direction(name)) button.append(make("small", { textContent: direction(name) }));
  const th = make("th", { scope: "col", className: kind }, button);
  if (view.sorted === name) th.setAttribute("aria-sort", view.rising ? "ascending" : "descending");
  return th;
}
function rowOf(i) {
  const lane = lanes[i], thumb = make("span", { className: `mini ${lane.thumbnail ? "" : "empty"}` });
  if (lane.thumbnail) thumb.style.backgroundImage = `url("${lane.thumbnail}")`;
  const links = [["PNG", lane.source && lane.image], ["GIF", lane.animation]].filter(([, to]) => to)
    .map(([word, to]) => make("a", { href: to, textContent: to === lane.animation ? to.slice(-3).toUpperCase() : word }));
  const cells = shownColumns.slice(1).map(name => {
    const v = value(name, i), cell = make("td", { textContent: number(v), title: typeof v === "number" ? String(v) : "" });
    if (best.has(name) && v === best.get(name)) cell.className = "best";
    return cell;
  });
  const row = make("tr", {}, make("td", {}, make("div", { className: "first" }, thumb, make("button", { textContent: numbered(lane), title: `Select ${say(i)}` }), ...links)), ...cells);
  row.dataset.lane = i;
  return row;
}
function renderRows() {
  const scroll = document.querySelector("#tablepart .scroll"), body = scroll.querySelector("tbody");
  const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - AHEAD), last = Math.min(order.length, first + Math.ceil((scroll.clientHeight || innerHeight) / ROW) + 2 * AHEAD);
  const key = [first, last].join();
  if (drawn !== key) {
    drawn = key;
    const space = rows => { const row = make("tr", { className: "space" }, make("td", { colSpan: shownColumns.length })); row.style.height = `${rows * ROW}px`; row.setAttribute("aria-hidden", true); return row; };
    body.replaceChildren(...(first ? [space(first)] : []), ...order.slice(first, last).map(rowOf), ...(last < order.length ? [space(order.length - last)] : []));
  }
  const i = current();
  for (const row of body.children) {
    if (row.dataset.lane === undefined) continue;
    row.setAttribute("aria-selected", +row.dataset.lane === i);
    row.classList.toggle("b", +row.dataset.lane === view.other && view.other !== i);
  }
}
function revealRow() { // scrolls the table alone
  const scroll = document.querySelector("#tablepart .scroll"), y = order.indexOf(current()) * ROW;
  if (y < 0 || scroll.contains(document.activeElement)) return;
  if (y < scroll.scrollTop || y > scroll.scrollTop + scroll.clientHeight - 2 * ROW) scroll.scrollTop = Math.max(0, y - scroll.clientHeight / 2);
}
function startTable() {
  bests();
  const scroll = document.querySelector("#tablepart .scroll"), body = scroll.querySelector("tbody");
  document.querySelector("#tablepart table").setAttribute("aria-rowcount", lanes.length + 1);
  let across = 0;
  scroll.onscroll = () => { renderRows(); if (across !== (across = scroll.scrollLeft)) tellMore(); };
  body.onclick = e => {
    const row = e.target.closest("tr[data-lane]");
    if (row && !e.target.closest("a")) choose(e, +row.dataset.lane);
  };
  body.onpointerover = e => { const mini = e.target.closest(".mini"); if (mini) peek(e, +mini.closest("tr").dataset.lane); };
  body.onpointerout = unpeek;
  $("losses").onclick = foldLosses;
  matchMedia("(max-width: 700px)").onchange = renderTable;
  new ResizeObserver(tellMore).observe(scroll);
  const meanings = Object.entries(table.meanings);
  $("meanings").hidden = !meanings.length;
  $("meanings").querySelector("dl").append(...meanings.flatMap(([name, [text]]) => [make("dt", { textContent: name }), make("dd", { textContent: [text, direction(name)].filter(Boolean).join("; ") })]));
  renderTable();
}
