function render() {
  renderStage(); renderSteps(); renderStrip(); renderSliders(); renderGrid();
  if (axisOf(view.x) === null) markPoints(); else renderScatter(); // along an axis the sliders choose what counts
  renderChart(); renderRecipe(); renderRows(); revealRow();
  for (const axis of keyed()) for (const by of [-1, 1]) { // the neighbours, so that a step shows at once
    const near = [...view.at];
    near[axis] += by;
    const source = lanes[places.get(near.join())]?.source;
    if (source && !source.startsWith("data:")) new Image().src = source;
  }
  remember();
}

// A page of a run that is not finished loads itself again, while nobody is using it.
const EVERY = 20, REST = 8;
let touched = 0;
function startLive(done) {
  if (done === lanes.length) return;
  $("live").hidden = false;
  $("live").lastChild.textContent = `reloads every ${EVERY} s; written ${new Date(document.lastModified).toLocaleTimeString()}`;
  $("reload").checked = view.reload;
  $("reload").onchange = () => { view.reload = $("reload").checked; remember(); };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"]) addEventListener(kind, () => { touched = performance.now(); }, { passive: true });
  setInterval(() => {
    const idle = performance.now() - touched > REST * 1000 || !touched;
    if (view.reload && idle && playing === null && document.visibilityState === "visible") { history.replaceState({ ...history.state, scroll: scrollY }, ""); location.reload(); }
  }, EVERY * 1000);
}
function start() {
  recall();
  const done = lanes.filter(lane => lane.source).length;
  $("facts").textContent = [
    done === lanes.length ? `${done} ${done === 1 ? "picture" : "pictures"}` : `${done} of ${lanes.length} pictures finished`,
    swept.map(k => `${axes[k].name} (${axes[k].labels.length})`).join(" × "),
    typeof data.about.device === "string" ? data.about.device : "",
  ].filter(Boolean).join("  ·  ");
  $("files").append(...data.files.map(name => make("a", { href: name, textContent: name })));
  for (const begin of [startStage, startStrip, startSliders, startPlaces, startGrid, startScatter, startColours, startChart, startRecipe, startTable, startKeys]) begin();
  renderScatter(); render();
  if (history.state?.title === data.title && history.state.scroll) scrollTo(0, history.state.scroll);
  startLive(done);
}
start();
