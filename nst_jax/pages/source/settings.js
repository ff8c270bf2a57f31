// A slider for each axis.
function renderSliders() {
  for (const input of document.querySelectorAll("#sliders input")) {
    const k = +input.dataset.axis, words = axes[k].labels[view.at[k]], output = input.parentNode.querySelector("output");
    input.value = view.at[k];
    input.setAttribute("aria-valuetext", words);
    output.replaceChildren(...breakable(words));
  }
}
function startSliders() {
  for (const k of swept) {
    const input = make("input", { type: "range", min: 0, max: axes[k].labels.length - 1, step: 1, oninput() { view.at[k] = +input.value; render(); } });
    input.dataset.axis = k;
    input.setAttribute("aria-label", axes[k].name);
    $("sliders").append(make("label", { className: "slider" }, make("span", { className: "soft", textContent: axes[k].name }), input, make("output")));
  }
}

// Where there is one column, the sliders stand at the picture that they move.
function placeSliders(narrow) {
  if (narrow) $("steps").before($("sliders")); else $("axes").prepend($("sliders"));
}
function startPlaces() {
  const narrow = matchMedia("(max-width: 1000px)");
  placeSliders(narrow.matches);
  narrow.onchange = e => placeSliders(e.matches);
}

// Fill a select with options, in groups where they have names; without one that is chosen the first is.
function offer(id, groups, chosen, changed) {
  const select = $(id);
  for (const [label, options] of Object.entries(groups)) {
    const made = options.map(([key, words, title]) => make("option", { value: key, textContent: words, title: title ?? "", selected: key === String(chosen ?? "") }));
    if (label && made.length) select.append(make("optgroup", { label }, ...made));
    else select.append(...made);
  }
  select.onchange = () => { changed(select.value); remember(); };
}
const axisOptions = () => swept.map(k => [String(k), axes[k].name]);
const measureOptions = kind => numeric.filter(name => columns.get(name).kind === kind)
  .map(name => [name, name, [columns.get(name).meaning?.[0], direction(name)].filter(Boolean).join("; ")]);
