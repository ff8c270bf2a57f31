// The picture, and beside it, over it or in turn with it the one that it is compared with.
const ZOOMS = { 0: "Fit", 1: "1:1", 2: "2:1", 4: "4:1", 8: "8:1" };
const MODES = { divide: "Divide", difference: "Difference", blink: "Blink" };
const GAINS = { 1: "×1", 4: "×4", 16: "×16" };

// A lane's step nearest to the chosen one: at the end its own picture, else a snapshot.
function nearest(lane) {
  if (view.step === null || !lane.snapshots.length) return null;
  return lane.snapshots.reduce((best, s) => (Math.abs(s - view.step) < Math.abs(best - view.step) ? s : best));
}
const frame = (lane, step) => (step === null ? lane.source : `snapshots/${numbered(lane)}/${String(step).padStart(6, "0")}.png`);

function side(which) { // what a pane shows: a lane, or what the current lane was made from
  if (typeof which === "string") {
    const picture = sources(current()).get(which);
    return { source: picture?.source, size: picture?.size, words: picture ? `${which}: ${picture.name}` : `no ${which}`, empty: `no ${which}` };
  }
  const lane = lanes[which], step = lane ? nearest(lane) : null;
  return { source: lane && frame(lane, step), size: lane?.size, words: say(which) + (step === null ? "" : ` · step ${step}`), empty: lane ? "not finished" : "no such setting" };
}

function box(size) { // where the picture lies in the stage, in CSS pixels; at 1:1 a pixel of it is one of the screen
  const stage = $("stage").getBoundingClientRect(), [W, H] = [stage.width, stage.height], dots = devicePixelRatio || 1;
  const [w, h] = size ?? [W, H], scale = view.zoom ? view.zoom / dots : Math.min(W / w, H / h), whole = [w * scale, h * scale];
  const corner = [W, H].map((room, k) => {
    if (whole[k] <= room) return (room - whole[k]) / 2;
    return Math.min(0, Math.max(room - whole[k], room / 2 - view.centre[k] * whole[k]));
  });
  const [x, y] = corner.map((c, k) => (view.zoom ? Math.round((c + (k ? stage.top : stage.left)) * dots) / dots - (k ? stage.top : stage.left) : c));
  return { x, y, w: whole[0], h: whole[1], W, H };
}

function pane(id, shown, at) {
  const [image, empty] = $(id).children;
  image.hidden = !shown.source; empty.hidden = !!shown.source;
  empty.textContent = shown.empty;
  if (shown.source && image.getAttribute("src") !== shown.source) image.src = shown.source;
  image.alt = shown.source ? `Picture of ${shown.words}` : "";
  Object.assign(image.style, { left: `${at.x}px`, top: `${at.y}px`, width: `${at.w}px`, height: `${at.h}px` });
}

let blinking = null;
function renderStage() {
  const two = view.other !== null, stage = $("stage"), a = side(current()), b = two ? side(view.other) : null;
  const at = box(a.size ?? b?.size), mode = two ? view.mode : "";
  pane("pane-a", a, at);
  if (two) pane("pane-b", b, at);
  $("pane-b").hidden = $("comparing").hidden = !two;
  $("divider").hidden = mode !== "divide"; $("gains").hidden = mode !== "difference";
  $("swap").hidden = typeof view.other !== "number";
  stage.querySelectorAll(".tag").forEach((tag, k) => { tag.hidden = !two; tag.textContent = (k ? b : a)?.words ?? ""; });
  $("pane-a").style.clipPath = mode === "divide" ? `inset(0 ${100 - view.split * 100}% 0 0)` : "";
  $("divider").style.left = `${view.split * 100}%`;
  $("divider").setAttribute("aria-valuenow", Math.round(view.split * 100));
  $("pair").classList.toggle("difference", mode === "difference");
  $("pair").style.filter = mode === "difference" ? `brightness(${view.gain})` : "";
  if ((mode === "blink") !== (blinking !== null)) {
    clearInterval(blinking);
    blinking = mode === "blink" ? setInterval(() => stage.classList.toggle("turned"), 600) : null;
  }
  if (mode !== "blink") stage.classList.remove("turned");
  stage.classList.toggle("blink", mode === "blink");
  stage.classList.toggle("zoomed", at.w > at.W + 1 || at.h > at.H + 1); stage.classList.toggle("sharp", view.zoom >= 2);
  $("compare").setAttribute("aria-pressed", two);
  press("zooms", view.zoom); press("modes", view.mode); press("gains", view.gain);
  $("caption").textContent = a.words;
}
function press(id, chosen) {
  for (const button of $(id).children) button.setAttribute("aria-pressed", button.dataset.value === String(chosen));
}

function turnZoom(next, x, y) { // (x, y), in the stage, stays where it is
  const size = () => (side(current()).size ?? (view.other === null ? null : side(view.other).size)), before = box(size());
  const point = [x ?? before.W / 2, y ?? before.H / 2], held = [(point[0] - before.x) / before.w, (point[1] - before.y) / before.h];
  view.zoom = next;
  const after = box(size());
  view.centre = [(after.W / 2 - point[0]) / after.w + held[0], (after.H / 2 - point[1]) / after.h + held[1]];
  renderStage(); remember();
}
const nextZoom = () => ({ 0: 1, 1: 2, 2: 4, 4: 8 })[view.zoom] ?? 0;
function pan(dx, dy) {
  const at = box(side(current()).size), seen = [(at.W / 2 - at.x) / at.w, (at.H / 2 - at.y) / at.h];
  view.centre = [seen[0] - dx / at.w, seen[1] - dy / at.h];
  renderStage();
}
function setMode(mode) {
  if (view.other === null) return;
  view.mode = view.mode === mode ? "divide" : mode;
  renderStage(); remember();
}

function drag(element, moved) {
  element.addEventListener("pointerdown", e => {
    if (e.button) return;
    element.setPointerCapture(e.pointerId);
    let last = [e.clientX, e.clientY];
    const on = m => { moved(m, m.clientX - last[0], m.clientY - last[1]); last = [m.clientX, m.clientY]; };
    element.addEventListener("pointermove", on);
    const off = () => { element.removeEventListener("pointermove", on); remember(); };
    element.addEventListener("pointerup", off, { once: true });
    element.addEventListener("pointercancel", off, { once: true });
    e.stopPropagation();
  });
}
function splitAt(x) {
  view.split = Math.min(1, Math.max(0, x));
  renderStage();
}
function startStage() {
  const stage = $("stage"), group = (id, words, chosen) => $(id).append(...Object.entries(words).map(([key, word]) => {
    const button = make("button", { textContent: word, onclick: () => chosen(key) });
    button.dataset.value = key;
    return button;
  }));
  stage.style.aspectRatio = data.ratio;
  group("zooms", ZOOMS, zoom => turnZoom(+zoom));
  group("modes", MODES, mode => { view.mode = mode; renderStage(); remember(); });
  group("gains", GAINS, gain => { view.gain = +gain; renderStage(); remember(); });
  $("zooms").title = "At 1:1 a pixel of the picture is a pixel of the screen (z)";
  $("compare").onclick = toggle; $("swap").onclick = swap;
  drag($("divider"), e => { const r = stage.getBoundingClientRect(); splitAt((e.clientX - r.left) / r.width); });
  drag(stage, (e, dx, dy) => { if (stage.classList.contains("zoomed")) pan(dx, dy); });
  stage.addEventListener("dblclick", e => { const r = stage.getBoundingClientRect(); turnZoom(nextZoom(), e.clientX - r.left, e.clientY - r.top); });
  $("divider").addEventListener("keydown", e => {
    const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[e.key];
    if (by) { splitAt(view.split + by); remember(); e.preventDefault(); e.stopPropagation(); }
  });
  new ResizeObserver(renderStage).observe(stage);
}
