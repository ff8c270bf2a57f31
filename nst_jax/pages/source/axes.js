// The axes of a chart: scales, ticks and grid lines.
const PAD = { left: 66, right: 14, top: 12, bottom: 42 };

function scale(values, from, to, logarithmic) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
  if (low > high) [low, high] = logarithmic ? [1, 10] : [0, 1];
  const f = logarithmic ? Math.log10 : v => v;
  let [a, b] = [f(low), f(high)];
  const room = b > a ? 0.04 * (b - a) : Math.abs(b) * 0.05 || 0.5;
  a -= room; b += room;
  const at = v => from + ((f(v) - a) / (b - a)) * (to - from);
  const back = place => { const t = a + ((place - from) / (to - from)) * (b - a); return logarithmic ? 10 ** t : t; };
  return Object.assign(at, { back, ticks: () => (logarithmic ? powers(a, b) : rounds(a, b, Math.abs(to - from))) });
}
function powers(a, b) {
  const every = Math.ceil((b - a) / 6), found = [];
  const fine = b - a < 1 ? [1, 2, 3, 5, 7] : b - a < 2.2 ? [1, 2, 5] : [1];
  for (let e = Math.floor(a); e <= b; e++) for (const m of fine) {
    const at = e + Math.log10(m);
    if (at >= a && at <= b && (fine.length > 1 || e % every === 0)) found.push(+(m * 10 ** e).toPrecision(12));
  }
  return found.length > 1 ? found : rounds(10 ** a, 10 ** b, 200).filter(v => v > 0);
}
function rounds(a, b, length) {
  const raw = (b - a) / Math.max(2, length / 80), unit = 10 ** Math.floor(Math.log10(raw)), step = unit * [1, 2, 5, 10].find(m => m * unit >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(a / step); k * step <= b; k++) found.push(+(k * step).toPrecision(12));
  return found;
}
const wide = values => values.length > 0 && Math.min(...values) > 0 && Math.max(...values) > 25 * Math.min(...values);

function gridY(root, Y, W) {
  for (const v of Y.ticks()) {
    root.append(draw("line", { x1: PAD.left, x2: W - PAD.right, y1: Y(v), y2: Y(v), stroke: "var(--line)" }));
    root.append(draw("text", { x: PAD.left - 8, y: Y(v) + 4, "text-anchor": "end" }, number(v)));
  }
}
function gridX(root, X, W, H, ticks = X.ticks().map(v => [X(v), number(v)])) { // labels that would touch are left out
  let free = -Infinity;
  for (const [x, words] of ticks) {
    const half = words.length * 3.2 + 5, place = Math.min(W - half, Math.max(half, x));
    root.append(draw("line", { x1: x, x2: x, y1: H - PAD.bottom, y2: H - PAD.bottom + 4, stroke: "var(--faint)" }));
    if (place - half < free) continue;
    free = place + half;
    root.append(draw("text", { x: place, y: H - PAD.bottom + 17, "text-anchor": "middle" }, words));
  }
}
function titles(root, W, H, x, y) {
  root.append(draw("text", { x: (W + PAD.left) / 2, y: H - 6, "text-anchor": "middle", class: "title" }, x));
  if (y) root.append(draw("text", { x: 12, y: (H - PAD.bottom) / 2, "text-anchor": "middle", class: "title", transform: `rotate(-90 12 ${(H - PAD.bottom) / 2})` }, y));
}
