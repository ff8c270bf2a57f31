// Any measure against any other, or along an axis; every lane is a point.
const axisOf = key => (key.startsWith("axis ") ? +key.slice(5) : null);
const xAt = i => { const k = axisOf(view.x); return k === null ? value(view.x, i) : lanes[i].index[k]; };
const measured = i => typeof xAt(i) === "number" && typeof value(view.y, i) === "number";

function dominates(a, b, signs) { // in every measure as good, in one better
  const by = signs.map((sign, k) => sign * (a[k] - b[k]));
  return by.every(d => d >= 0) && by.some(d => d > 0);
}
function paretoFront(found) { // lanes that no other is better than in one measure without being worse in the other
  const signs = [view.x, view.y].map(name => ({ higher: 1, lower: -1, neither: 0 })[axisOf(name) === null ? better(name) : "neither"]);
  if (signs.includes(0)) return null;
  const at = i => [xAt(i), value(view.y, i)];
  const order = [...found].sort((i, j) => signs[0] * (xAt(j) - xAt(i)) || signs[1] * (value(view.y, j) - value(view.y, i)));
  const front = [];
  for (const i of order) if (!front.length || !dominates(at(front[front.length - 1]), at(i), signs)) front.push(i);
  return front;
}

let scatter = null;
function renderScatter() {
  if (!numeric.length || $("measures").hidden) return;
  const box = $("scatter"), [W, H] = [box.clientWidth, box.clientHeight], k = axisOf(view.x);
  const found = lanes.map((lane, i) => i).filter(measured), ys = found.map(i => value(view.y, i)), xs = found.map(xAt);
  const root = draw("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${view.y} against ${k === null ? view.x : axes[k].name}` });
  const Y = scale(ys, H - PAD.bottom, PAD.top, wide(ys)), X = k === null ? scale(xs, PAD.left, W - PAD.right, wide(xs)) : placesOn(k, W);
  if (found.length) {
    gridY(root, Y, W);
    if (k === null) gridX(root, X, W, H); else gridX(root, X, W, H, axes[k].labels.map((words, place) => [X(place), words]));
  } else root.append(draw("text", { x: W / 2, y: H / 2, "text-anchor": "middle" }, "no lane is finished"));
  titles(root, W, H, axisTitle(view.x, "→", "←"), axisTitle(view.y, "→", "←"));
  const front = paretoFront(found), fixed = k === null ? null : along(root, k, X, Y, found);
  if (front?.length > 1) root.append(draw("path", { d: "M" + front.map(i => `${X(xAt(i)).toFixed(1)} ${Y(value(view.y, i)).toFixed(1)}`).join("L"), class: "front" }));
  const radius = lanes.length > 300 ? 3 : 4.5, points = found.map(i => ({ i, x: X(xAt(i)), y: Y(value(view.y, i)) }));
  for (const { i, x, y } of points) {
    const dot = paint(draw("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: radius, class: "dot" }), view.colour, lanes[i].index[view.colour]);
    if (front?.includes(i)) dot.classList.add("best");
    if (fixed && !fixed.has(i)) dot.classList.add("faint");
    root.append(dot);
  }
  scatter = { root, points };
  root.onpointermove = e => { const near = nearPoint(e); near ? peek(e, near.i, words(near.i)) : unpeek(); root.style.cursor = near ? "pointer" : ""; };
  root.onpointerleave = unpeek;
  root.onclick = e => { const near = nearPoint(e); if (near) choose(e, near.i); };
  box.replaceChildren(root);
  tellFront(front); tellMeasures();
  markPoints();
}
const words = i => [view.x, view.y].filter(name => axisOf(name) === null).map(name => `${name} ${number(value(name, i))}`);
const axisTitle = (name, more, less) => {
  const k = axisOf(name);
  if (k !== null) return axes[k].name;
  return { higher: `${name}  ${more} better`, lower: `${less} better  ${name}`, neither: name }[better(name)];
};
const placesOn = (k, W) => {
  const count = axes[k].labels.length, step = (W - PAD.left - PAD.right) / count;
  return place => PAD.left + (place + 0.5) * step;
};
function nearPoint(e) {
  const r = scatter.root.getBoundingClientRect(), [x, y] = [e.clientX - r.left, e.clientY - r.top];
  let best = null, least = 18;
  for (const point of scatter.points) {
    const far = Math.hypot(point.x - x, point.y - y);
    if (far < least) [best, least] = [point, far];
  }
  return best;
}
function markPoints() { // rings around the chosen lanes
  if (!scatter) return;
  scatter.root.querySelectorAll(".ring").forEach(n => n.remove());
  for (const [i, colour] of [[view.other, "var(--b)"], [current(), "var(--a)"]]) {
    const point = scatter.points.find(p => p.i === i);
    if (point) scatter.root.append(draw("circle", { cx: point.x, cy: point.y, r: 9, class: "ring", stroke: colour }));
  }
}

// Along an axis: a line of means and a band of one standard deviation over seeds, for each value of the axis that
// colours; the axes beside these stand where the sliders are. Gives the lanes that count.
function along(root, k, X, Y, found) {
  const colour = view.colour === k || seeds.includes(view.colour) ? null : view.colour;
  const rest = swept.filter(a => a !== k && a !== colour && !seeds.includes(a));
  const mine = found.filter(i => rest.every(a => lanes[i].index[a] === view.at[a])), groups = new Map();
  for (const i of mine) {
    const line = colour === null ? 0 : lanes[i].index[colour], place = lanes[i].index[k];
    if (!groups.has(line)) groups.set(line, new Map());
    if (!groups.get(line).has(place)) groups.get(line).set(place, []);
    groups.get(line).get(place).push(value(view.y, i));
  }
  for (const [line, byPlace] of [...groups].sort((a, b) => a[0] - b[0])) {
    const rows = [...byPlace].sort((a, b) => a[0] - b[0]).map(([place, values]) => [X(place), ...spread(values)]);
    const draws = (y, z) => rows.map(row => `${row[0].toFixed(1)} ${limit(Y, y(row), z).toFixed(1)}`);
    const up = draws(([, mean, sd]) => mean + sd, -1), down = draws(([, mean, sd]) => mean - sd, 1).reverse();
    if (rows.some(row => row[2] > 0)) root.append(paint(draw("path", { d: `M${up.join("L")}L${down.join("L")}Z`, class: "band" }), colour, line));
    root.append(paint(draw("path", { d: `M${draws(row => row[1], 1).join("L")}`, class: "mean", "stroke-dasharray": dash(colour, line) }), colour, line));
  }
  return new Set(mine);
}
function limit(Y, v, way) { // a mean less its spread may fall below zero, where a logarithm has nothing
  const y = Y(v);
  return Number.isFinite(y) ? Math.max(0, Math.min(4000, y)) : way < 0 ? 0 : 4000;
}
function spread(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return [mean, values.length > 1 ? Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / (values.length - 1)) : 0];
}

function tellFront(front) {
  const note = $("front"), k = axisOf(view.x);
  if (k !== null) {
    const colour = view.colour === k || seeds.includes(view.colour) ? null : view.colour;
    const rest = swept.filter(a => a !== k && a !== colour && !seeds.includes(a)), over = seeds.map(a => axes[a].labels.length).reduce((a, b) => a * b, 1);
    note.textContent = [
      seeds.length && !seeds.includes(k) ? `Lines are means and bands one standard deviation over ${over} seeds` : "There is no axis of seeds to take a spread over",
      ...(rest.length ? [`at ${rest.map(a => `${axes[a].name} ${axes[a].labels[view.at[a]]}`).join(", ")}, as the sliders stand; other lanes are faint`] : []),
    ].join(", ") + ".";
  } else if (front) {
    const most = 12, button = i => make("button", { className: "chip", textContent: lanes[i].number, title: say(i), onclick: e => choose(e, i) });
    note.replaceChildren(`Pareto front, ${front.length} of ${lanes.length}: no other lane is better in one without being worse in the other. `, ...front.slice(0, most).map(button), front.length > most ? " …" : "");
  } else note.textContent = "No front: one of the two has no better direction.";
}
function tellMeasures() {
  const names = [...new Set([view.y, view.x].filter(name => axisOf(name) === null))];
  $("said").replaceChildren(...names.map(name => make("p", {}, make("b", { textContent: name }), " " + [columns.get(name)?.meaning?.[0] ?? (columns.get(name)?.kind === "loss" ? "a loss of the last picture, unweighted" : ""), direction(name)].filter(Boolean).join("; "))));
}
function startScatter() {
  $("measures").hidden = !numeric.length || lanes.length < 2;
  if ($("measures").hidden) return;
  const kinds = ["measure", "end", "loss"].map(kind => measureOptions(kind)), first = kinds.flat().map(([name]) => name);
  const pick = (known, wanted, at) => (known && (axisOf(known) !== null || columns.has(known)) ? known : wanted.find(name => first.includes(name)) ?? first[Math.min(at, first.length - 1)]);
  view.x = pick(view.x, ["content_distance", "content_fidelity", "ssim", "content"], 0);
  view.y = pick(view.y, ["style_bures", "style_sliced", "global_effects", "style"].filter(name => name !== view.x), 1);
  const groups = { Measures: kinds[0], "At the end": kinds[1], Losses: kinds[2] };
  offer("y", groups, view.y, name => { view.y = name; renderScatter(); });
  offer("x", { Axes: swept.map(k => [`axis ${k}`, axes[k].name]), ...groups }, view.x, name => { view.x = name; renderScatter(); });
  new ResizeObserver(renderScatter).observe($("scatter"));
}
