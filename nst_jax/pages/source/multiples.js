// Every lane as a thumbnail: a grid over two axes for each value of the others.
const seen = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) {
    target.firstChild.style.backgroundImage = `url("${lanes[+target.dataset.lane].thumbnail}")`;
    seen.unobserve(target);
  }
}, { rootMargin: "400px" });

let built = null, marked = [];
const thumbs = new Map();
function renderGrid() {
  const key = [view.across, view.down, view.under, view.size, $("grid").clientWidth].join();
  if (built !== key) { built = key; buildGrid(); }
  const i = current(), focused = document.activeElement?.classList.contains("thumb");
  for (const thumb of marked) { thumb.setAttribute("aria-current", false); thumb.tabIndex = -1; thumb.classList.remove("b"); }
  const [mine, other] = [thumbs.get(i), view.other === i ? null : thumbs.get(view.other)];
  if (mine) { mine.setAttribute("aria-current", true); mine.tabIndex = 0; if (focused) mine.focus({ preventScroll: true }); }
  if (other) other.classList.add("b");
  marked = [mine, other].filter(Boolean);
  for (const words of document.querySelectorAll("#grid .label")) words.classList.toggle("on", view.at[words.dataset.axis] === +words.dataset.place);
  for (const panel of document.querySelectorAll("#grid .panel")) {
    const on = JSON.parse(panel.dataset.place).every(([k, place]) => view.at[k] === place);
    panel.classList.toggle("on", on);
    if (on && mine) reveal(mine, panel.lastChild);
  }
}
function reveal(thumb, room) { // scrolls a wide panel sideways, never the page
  const a = thumb.getBoundingClientRect(), b = room.getBoundingClientRect();
  if (a.left < b.left) room.scrollLeft += a.left - b.left - 8;
  else if (a.right > b.right) room.scrollLeft += a.right - b.right + 8;
}

function* combinations(rest) { // every place on these axes, the last fastest
  if (!rest.length) { yield []; return; }
  const [k, ...others] = rest;
  for (let place = 0; place < axes[k].labels.length; place++) for (const tail of combinations(others)) yield [[k, place], ...tail];
}
function thumbOf(i) {
  const lane = lanes[i], picture = make("span");
  picture.style.aspectRatio = lane.size ? lane.size[0] / lane.size[1] : data.ratio;
  const button = make("button", { className: `thumb ${lane.thumbnail ? "" : "empty"}`, tabIndex: -1 }, picture);
  button.setAttribute("aria-label", say(i) + (lane.source ? "" : ", not finished"));
  button.dataset.lane = i;
  if (view.under) button.append(make("small", { textContent: number(value(view.under, i)) }));
  if (lane.thumbnail) seen.observe(button);
  thumbs.set(i, button);
  return button;
}
function labelOf(axis, place, kind) {
  const words = make("span", { className: `label ${kind}`, title: called(axis, place) }, ...breakable(axes[axis].labels[place]));
  words.dataset.axis = axis; words.dataset.place = place;
  return words;
}
const phone = () => innerWidth <= 700;
const longest = k => Math.max(...axes[k].labels.map(l => l.length));
const lined = down => phone() && longest(down) > 6; // on a phone a long label has a line of its own, above its pictures
function headsOf(k, side) { // long words stand upright; of numbers that would touch some are left out
  const room = side + gapOf(side), most = longest(k), upright = !axes[k].labels.every(l => Number.isFinite(+l)) && most * 6.8 > 3 * side;
  const every = upright ? 1 : side < 60 ? Math.ceil((7 * Math.min(16, most)) / room) : 1;
  return axes[k].labels.map((l, place) => (place % every ? make("span") : labelOf(k, place, upright ? "upright" : every > 1 ? "over" : "")));
}
function panelOf(rest, across, down, side) {
  const cells = [], lane = (c, r) => {
    const place = [...view.at];
    for (const [k, p] of rest) place[k] = p;
    if (across != null) place[across] = c;
    if (down != null) place[down] = r;
    return places.get(place.join());
  };
  const cell = (c, r) => (lanes[lane(c, r)] ? thumbOf(lane(c, r)) : make("span"));
  const across_ = across == null ? [0] : axes[across].labels.map((l, c) => c), grid = make("div", { className: "cells" });
  if (down == null) { // one axis flows over lines
    grid.style.gridTemplateColumns = `repeat(auto-fill, ${side}px)`;
    cells.push(...across_.map(c => make("div", { className: "cell" }, cell(c, 0), ...(across == null ? [] : [labelOf(across, c, "")]))));
  } else {
    const over = lined(down), corner = make("span", { className: "corner", textContent: `${axes[across].name} →\n${axes[down].name} ↓` });
    grid.style.gridTemplateColumns = `${over ? "" : "max-content "}repeat(${across_.length}, ${side}px)`;
    cells.push(...(over ? [] : [corner]), ...headsOf(across, side));
    axes[down].labels.forEach((l, r) => cells.push(labelOf(down, r, over ? "line" : "row"), ...across_.map(c => cell(c, r))));
  }
  grid.append(...cells);
  const title = rest.map(([k, place]) => called(k, place)).join(" · ");
  const panel = make("div", { className: "panel" }, ...(title ? [make("h3", {}, ...breakable(title))] : []), grid);
  panel.dataset.place = JSON.stringify(rest);
  return panel;
}
function sideOf(room, across, down, panels) { // the lanes fill the width and about as much height, within reason
  const least = phone() ? 44 : 22, fair = Math.max(least, Math.min(220, Math.sqrt((data.ratio * room * 520) / Math.max(1, lanes.length)) * 1.35 ** view.size));
  if (down == null) { // as many beside each other as come closest to that
    const gap = gapOf(fair), most = across == null ? 1 : axes[across].labels.length, beside = Math.min(most, Math.max(1, Math.round((room - 8 + gap) / (fair + gap))));
    return Math.floor(Math.min((room - 8 + gap) / beside - gap, Math.max(220, fair)));
  }
  const corner = phone() ? 0 : 2 + Math.max(axes[across].name.length, axes[down].name.length), letter = phone() ? 7.4 : 6.6;
  const wide = lined(down) ? 0 : Math.max(corner, Math.min(18, longest(down)));
  const count = axes[across].labels.length, taken = (lined(down) ? 8 : 20) + letter * wide + gapOf(fair) * count, between = 22;
  const filling = beside => ((room - between * (beside - 1)) / beside - taken) / count, far = side => Math.abs(Math.log(Math.max(1, side) / fair));
  let filled = filling(1);
  for (let beside = 2; beside <= panels && filling(beside) >= least; beside++) if (far(filling(beside)) < far(filled)) filled = filling(beside);
  return Math.floor(Math.max(least, Math.min(filled, view.size ? fair : 2 * fair, 220)));
}
const gapOf = side => (side < 40 ? 2 : 5);
function buildGrid() {
  const { across, down } = view, rest = [...combinations(swept.filter(k => k !== across && k !== down))];
  const side = sideOf($("grid").clientWidth, across, down, rest.length);
  seen.disconnect(); thumbs.clear();
  $("grid").style.setProperty("--gap", `${gapOf(side)}px`);
  $("grid").replaceChildren(...rest.map(place => panelOf(place, across, down, side)));
}
function startGrid() {
  const others = (id, mine, its) => {
    const none = mine === "down" ? [["", "–"]] : [];
    offer(id, { "": [...none, ...axisOptions()] }, view[mine], key => {
      const k = key === "" ? null : +key;
      if (k !== null && k === view[its]) view[its] = view[mine];
      view[mine] = k;
      if (view[its] === null && its === "across") view.across = swept.find(a => a !== view.down) ?? null;
      $("across").value = view.across ?? ""; $("down").value = view.down ?? "";
      renderGrid();
    });
    $(id).parentNode.hidden = swept.length < 2;
  };
  others("across", "across", "down"); others("down", "down", "across");
  offer("measure", { "": [["", "nothing"]], Measures: measureOptions("measure"), "At the end": measureOptions("end"), Losses: measureOptions("loss") }, view.under, name => { view.under = name; renderGrid(); });
  $("measure").parentNode.hidden = !numeric.length;
  $("size").value = view.size;
  $("size").oninput = () => { view.size = +$("size").value; renderGrid(); remember(); };
  $("axes").hidden = $("compare").hidden = lanes.length < 2;
  $("grid").onclick = e => { const thumb = e.target.closest(".thumb"); if (thumb) choose(e, +thumb.dataset.lane); };
  $("grid").onpointerover = e => { const thumb = e.target.closest(".thumb"); if (thumb && thumb.clientWidth < 90) peek(e, +thumb.dataset.lane); };
  $("grid").onpointerout = unpeek;
  new ResizeObserver(() => renderGrid()).observe($("grid"));
}
