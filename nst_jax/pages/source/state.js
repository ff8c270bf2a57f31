// What the reader has chosen. It lives in the address (the lanes) and in the entry of the history (the rest), so that
// a reload shows the same.
const view = {
  at: lanes.length ? [...lanes[0].index] : [],
  other: null, // the number of a lane, or what `sources` calls a picture
  mode: "divide", gain: 1, split: 0.5, zoom: 0, centre: [0.5, 0.5],
  step: null, // of a lane on its way; null is the end
  across: data.across, down: data.down, size: 0, under: "",
  x: "", y: "", colour: null, term: terms.includes("total") ? "total" : terms[0], relative: "",
  sorted: null, rising: true, losses: false, reload: true,
};
const current = () => places.get(view.at.join());
const keyed = () => [view.across, view.down, ...swept.filter(k => k !== view.across && k !== view.down)];

let remembering = null;
function remember() {
  const lane = lanes[current()], other = typeof view.other === "number" ? lanes[view.other].name : view.other;
  const hash = lane ? `#${encodeURIComponent(lane.name)}${other == null ? "" : "," + encodeURIComponent(other)}` : location.hash;
  const save = () => history.replaceState({ title: data.title, view: { ...view }, scroll: scrollY }, "", hash);
  clearTimeout(remembering);
  if (hash !== location.hash) save();
  else remembering = setTimeout(save, 150);
}
function recall() {
  const known = history.state?.title === data.title ? history.state.view : null;
  for (const name in known ?? {}) if (name in view) view[name] = known[name];
  const inside = k => k == null || swept.includes(k);
  if (!inside(view.across) || !inside(view.down) || !inside(view.colour) || view.at.length !== axes.length) {
    Object.assign(view, { across: data.across, down: data.down, colour: null, at: lanes.length ? [...lanes[0].index] : [] });
  }
  const axis = axisOf(view.x);
  if (axis !== null && !inside(axis)) view.x = "";
  const [first, second] = location.hash.slice(1).split(","), laneOf = name => lanes.findIndex(lane => encodeURIComponent(lane.name) === name);
  if (first && lanes[laneOf(first)]) view.at = [...lanes[laneOf(first)].index];
  const picture = [...sources(current()).keys()].find(name => encodeURIComponent(name) === second);
  view.other = second && lanes[laneOf(second)] ? laneOf(second) : picture ?? null;
}

function select(i) {
  if (lanes[i]) { view.at = [...lanes[i].index]; render(); }
}
function move(axis, by) {
  if (axis == null) return;
  const to = Math.min(axes[axis].labels.length - 1, Math.max(0, view.at[axis] + by));
  if (to !== view.at[axis]) { view.at[axis] = to; render(); }
}
function compare(other) { view.other = other; render(); }
function toggle() { compare(view.other === null ? current() ?? null : null); }
function swap() {
  const i = current();
  if (typeof view.other === "number" && lanes[i]) { view.at = [...lanes[view.other].index]; compare(i); }
}
