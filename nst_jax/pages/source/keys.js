// Keys, on the picture and on the grid.
function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.type === "range" && e.key.startsWith("Arrow")) return; // a slider's own
  const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] }[e.key];
  const act = {
    c: toggle, x: swap, p: play,
    d: () => setMode("difference"), b: () => setMode("blink"),
    z: () => turnZoom(nextZoom()),
    Escape: () => { Object.assign(view, { zoom: 0, centre: [0.5, 0.5], mode: "divide" }); compare(null); },
  }[e.key];
  if (way) {
    move(keyed()[way[0] + (e.shiftKey ? 2 : 0)], way[1]);
    if (e.currentTarget === $("grid")) document.querySelector(".thumb[aria-current=true]")?.focus({ preventScroll: true });
  } else if (act) act();
  else return;
  e.preventDefault();
}
function startKeys() {
  $("picture").addEventListener("keydown", keys); // with its buttons
  $("grid").addEventListener("keydown", keys);
}
