// Under the picture: its way there, and what it was made from.
let playing = null;
function renderSteps() {
  const lane = lanes[current()], steps = lane?.snapshots ?? [], step = lane ? nearest(lane) : null;
  $("steps").hidden = !lanes.some(lane => lane.snapshots.length);
  $("step").disabled = $("play").disabled = !steps.length;
  $("step").max = steps.length;
  $("step").value = step === null ? steps.length : steps.indexOf(step);
  const words = step === null ? "end" : `step ${step}`;
  $("at-step").textContent = words; $("step").setAttribute("aria-valuetext", words);
  $("play").textContent = playing === null ? "Play" : "Pause";
}
function toStep(k) { // the k-th snapshot; after the last comes the end
  const steps = lanes[current()]?.snapshots ?? [];
  view.step = steps[k] ?? null;
  renderStage(); renderSteps(); renderChart(); remember();
  const next = steps[k + 1];
  if (next !== undefined) new Image().src = frame(lanes[current()], next);
}
function play() {
  if (playing !== null || $("play").disabled) { clearInterval(playing); playing = null; return renderSteps(); }
  if (view.step === null) toStep(0);
  playing = setInterval(() => {
    toStep(+$("step").value + 1);
    if (view.step === null) play();
  }, 180);
  renderSteps();
}

let stripped = null;
function renderStrip() {
  const found = sources(current()), key = [...found].map(([name, picture]) => name + picture.image).join();
  if (stripped !== key) {
    stripped = key;
    $("strip").replaceChildren(...[...found].map(([name, picture]) => {
      const image = picture.thumbnail ? make("img", { src: picture.thumbnail, alt: "" }) : make("span", { className: "none" });
      const words = make("span", {}, make("b", { textContent: name }), make("small", { title: picture.name }, ...breakable(picture.name)));
      const button = make("button", { className: "source", title: `Compare with the ${name}`, onclick: () => compare(view.other === name ? null : name) }, image, words);
      button.dataset.source = name;
      return button;
    }));
  }
  for (const button of $("strip").children) button.setAttribute("aria-pressed", button.dataset.source === view.other);
}
function startStrip() {
  $("step").oninput = () => toStep(+$("step").value);
  $("play").onclick = play;
}
