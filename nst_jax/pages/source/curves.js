// One term of every lane's loss over its steps.
let chart = null, readAt = null;
function pointsOf(i, t) { // of a term that is logarithmic, so above zero; relative to its first, or largest if that is 0
  const curve = lanes[i].curves;
  if (!curve) return [];
  const steps = data.steps[curve.steps], ys = curve.terms[t];
  const whole = view.relative ? (ys[0] > 1e-3 * median(ys) ? ys[0] : Math.max(...ys)) : 1;
  return steps.map((x, k) => [x, ys[k] / whole]).filter(p => p[1] > 0 && Number.isFinite(p[1]));
}
function median(values) {
  const known = values.filter(v => v > 0).sort((a, b) => a - b);
  return known.length ? known[known.length >> 1] : 0;
}
// A content that starts as itself begins at nothing: rounding is no part of the range.
function ranged(points) {
  const least = 1e-3 * median(points.map(p => p[1])), begin = points.findIndex(p => p[1] >= least);
  return begin < 0 ? points : points.slice(begin);
}

function buildChart(t, W, H) { // axes and the curves of all lanes: only once for every term, colour and size
  const name = terms[t], root = draw("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${name} over steps, logarithmic` });
  const all = lanes.map((lane, i) => pointsOf(i, t)), range = all.flatMap(ranged);
  if (!range.length) root.append(draw("text", { x: W / 2, y: H / 2, "text-anchor": "middle" }, "nothing above zero to show"));
  const Y = scale(range.map(p => p[1]), H - PAD.bottom, PAD.top, true), X = scale(all.flatMap(p => p.map(q => q[0])), PAD.left, W - PAD.right, false);
  if (range.length) { gridY(root, Y, W); gridX(root, X, W, H, X.ticks().filter(Number.isInteger).map(v => [X(v), String(v)])); }
  const inside = draw("clipPath", { id: "plot" });
  inside.append(draw("rect", { x: PAD.left, y: 0, width: Math.max(0, W - PAD.left - PAD.right + 4), height: Math.max(0, H - PAD.bottom) }));
  root.append(inside);
  titles(root, W, H, "step", view.relative ? `${name} / its first` : name);
  const path = p => (p.length ? "M" + p.map(([x, y]) => `${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join("L") : "");
  const k = view.colour, groups = new Map();
  all.forEach((points, i) => { const place = k === null ? 0 : lanes[i].index[k]; groups.set(place, (groups.get(place) ?? "") + path(points)); });
  for (const [place, d] of groups) {
    root.append(paint(draw("path", { d, class: "curve", "clip-path": "url(#plot)", "stroke-dasharray": dash(k, place), opacity: lanes.length > 60 ? 0.55 : 0.9 }), k, place));
  }
  const within = e => e.clientX - root.getBoundingClientRect().left;
  root.onpointermove = e => readChart(X.back(Math.min(W - PAD.right, Math.max(PAD.left, within(e)))));
  root.onpointerleave = () => readChart(null);
  root.onclick = e => { // the curve nearest to the pointer
    const y = e.clientY - root.getBoundingClientRect().top, far = all.map(p => (p.length ? Math.abs(Y(at(p, X.back(within(e)))[1]) - y) : Infinity)), least = Math.min(...far);
    if (least < 12) choose(e, far.indexOf(least));
  };
  return { root, all, X, Y, path, top: PAD.top, bottom: H - PAD.bottom };
}
const at = (points, x) => (x == null ? points[points.length - 1] : points.reduce((best, q) => (Math.abs(q[0] - x) < Math.abs(best[0] - x) ? q : best)));

function renderChart() {
  if (!terms.length) return;
  const box = $("chart"), key = [view.term, view.relative, view.colour, box.clientWidth, box.clientHeight].join();
  if (chart?.key !== key) {
    chart = { key, ...buildChart(terms.indexOf(view.term), box.clientWidth, box.clientHeight) };
    box.replaceChildren(chart.root);
  }
  chart.root.querySelectorAll(".chosen, .now").forEach(n => n.remove());
  chart.chosen = [[view.other, "var(--b)"], [current(), "var(--a)"]].filter(([i]) => chart.all[i]?.length);
  for (const [i, colour] of chart.chosen) {
    const k = view.colour, place = lanes[i].index[k], line = { d: chart.path(chart.all[i]), "clip-path": "url(#plot)" };
    const over = draw("path", { ...line, class: "chosen", "stroke-dasharray": dash(k, place) });
    if (k === null) over.style.setProperty("--k", colour); else paint(over, k, place); // the axis' colour is the lane's, the point's says which
    chart.root.append(draw("path", { ...line, class: "chosen under" }), over);
  }
  const step = lanes[current()] ? nearest(lanes[current()]) : null;
  if (step !== null) chart.root.append(draw("line", { x1: chart.X(step), x2: chart.X(step), y1: chart.top, y2: chart.bottom, class: "now" }));
  readChart(readAt);
}
function readChart(x) { // the values at the step nearest to x, or at the end
  const { root, all, X, Y, chosen } = chart, words = [];
  readAt = x;
  root.querySelectorAll(".read").forEach(n => n.remove());
  for (const [i, colour] of [...chosen].reverse()) {
    const [s, v] = at(all[i], x);
    if (x != null) root.append(draw("line", { x1: X(s), x2: X(s), y1: chart.top, y2: chart.bottom, stroke: "var(--soft)", "stroke-dasharray": "2 3", class: "read" }));
    if (Y(v) <= chart.bottom) root.append(draw("circle", { cx: X(s), cy: Y(v), r: 5.5, fill: colour, class: "read" }));
    words.push([`${number(v)} at step ${s}${chosen.length > 1 ? " · " + say(i) : ""}`, colour]);
  }
  $("readout").replaceChildren(...words.map(([text, colour]) => {
    const key = make("span", { className: "key", textContent: text });
    key.style.setProperty("--k", colour);
    return key;
  }));
}
function tellWeights() {
  $("weighted").textContent = view.term === "total" ? "The total is weighted by each lane's own settings; the terms are not, so these compare across lanes."
    : "Unweighted, so that lanes compare.";
}
function startChart() {
  $("loss").hidden = !terms.length;
  if (!terms.length) return;
  if (!terms.includes(view.term)) view.term = terms[0];
  offer("term", { "": terms.map(name => [name, name]) }, view.term, name => { view.term = name; tellWeights(); renderChart(); });
  $("relative").value = view.relative;
  $("relative").onchange = () => { view.relative = $("relative").value; renderChart(); remember(); };
  tellWeights();
  new ResizeObserver(renderChart).observe($("chart"));
}
