// The data, and words for it.
const data = JSON.parse(document.getElementById("data").textContent);
const { axes, lanes, terms, table } = data;

const $ = id => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const draw = (tag, attributes, words = "") => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  node.textContent = words;
  return node;
};

function number(v) {
  if (v == null) return "–";
  if (typeof v !== "number") return Array.isArray(v) ? v.map(number).join(", ") : String(v);
  if (v === 0) return "0";
  if (Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3) return v.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e");
  return String(+v.toPrecision(4));
}

const places = new Map(lanes.map((lane, i) => [lane.index.join(), i]));
const swept = axes.map((axis, k) => k).filter(k => axes[k].labels.length > 1);
const seeds = swept.filter(k => axes[k].name.split(", ").includes("seed"));
// Pictures are called by their names alone.
const called = (k, place) => (/^(content|style)_image/.test(axes[k].name) ? axes[k].labels[place] : `${axes[k].name} ${axes[k].labels[place]}`);
const say = i => (lanes[i] ? swept.map(k => called(k, lanes[i].index[k])).join(" · ") || lanes[i].name : "no such setting");
// Long names break where their words end and before a file's ending, numbers and layers nowhere.
const breakable = words => words.split(/(?<=[,\s]|[_+](?!\d)|[-.](?=\p{L})(?!\p{L}{1,4}$))|(?=\.\p{L}{1,4}$)/u).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
const numbered = lane => String(lane.number).padStart(4, "0");

// Columns of the table, by name.
const columns = new Map(table.columns.map((name, c) => [name, { name, c, kind: table.kinds[c], meaning: table.meanings[name] }]));
const value = (name, i) => table.rows[i]?.[columns.get(name)?.c];
const numeric = table.columns.filter((name, c) => table.kinds[c] !== "axis" && table.rows.some(row => typeof row[c] === "number"));
const better = name => columns.get(name)?.meaning?.[1] ?? (columns.get(name)?.kind === "loss" || name === "total" ? "lower" : "neither");
const direction = name => ({ higher: "higher is better", lower: "lower is better", neither: "" })[better(name)];

// What a lane was made from, by what the comparison calls it: content, style, style 2, content mask, ...
function sources(i) {
  const found = new Map(), counts = {};
  for (const k of lanes[i]?.pictures ?? []) {
    const picture = data.pictures[k], count = (counts[picture.role] = (counts[picture.role] ?? 0) + 1);
    found.set(count > 1 ? `${picture.role} ${count}` : picture.role, picture);
  }
  return found;
}
