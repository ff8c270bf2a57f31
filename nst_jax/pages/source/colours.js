// An axis as colours: numbers as a ramp from dark to light, words as hues that the colour-blind can tell apart.
const HUES = 8, DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const ordered = k => axes[k].labels.length > 2 && axes[k].labels.every(l => l !== "" && !Number.isNaN(+l)) || axes[k].labels.length > HUES;
function paint(node, k, place) {
  if (k == null) node.style.setProperty("--k", "var(--plain)");
  else if (ordered(k)) { node.classList.add("ramp"); node.style.setProperty("--t", place / (axes[k].labels.length - 1)); }
  else node.style.setProperty("--k", `var(--h${place % HUES})`);
  return node;
}
const dash = (k, place) => (k == null || ordered(k) ? "" : DASHES[place % DASHES.length]);
function legend(k) {
  if (k == null) return [];
  const labels = axes[k].labels, many = labels.length > 10, shown = labels.map((l, p) => p).filter(p => !many || p % Math.ceil((labels.length - 1) / 6) === 0 || p === labels.length - 1);
  return [make("span", { className: "soft", textContent: axes[k].name }), ...shown.map(p => paint(make("span", { className: "key", textContent: labels[p] }), k, p))];
}
function renderLegends() {
  for (const words of document.querySelectorAll(".legend")) words.replaceChildren(...legend(view.colour));
  $("colour").value = $("colour-curves").value = view.colour ?? "";
}
function startColours() {
  if (view.colour === null && swept.length && history.state?.title !== data.title) view.colour = data.across ?? swept[0];
  for (const id of ["colour", "colour-curves"]) {
    offer(id, { "": [["", "none"], ...axisOptions()] }, view.colour, key => {
      view.colour = key === "" ? null : +key;
      renderLegends(); renderScatter(); renderChart();
    });
    $(id).parentNode.hidden = !swept.length;
  }
  renderLegends();
}
