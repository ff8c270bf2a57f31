// The command that makes the lane, its settings, and its files.
const unbroken = command => command.split(/( +)/).map(word => (word.startsWith("-") ? make("span", { className: "option", textContent: word }) : word));

function renderRecipe() {
  const lane = lanes[current()];
  $("open").hidden = !lane?.source; $("film").hidden = !lane?.animation;
  if (lane) $("open").href = lane.image;
  if (lane?.animation) { $("film").href = lane.animation; $("film").textContent = lane.animation.slice(-3).toUpperCase(); }
  $("which").textContent = lane ? lane.name : "–";
  $("command").replaceChildren(...unbroken(lane ? lane.command : ""));
  $("copy").textContent = "Copy command";
  const varies = new Set(table.columns.filter((name, c) => table.kinds[c] === "axis"));
  $("settings").replaceChildren(...Object.entries(lane ? lane.settings : {}).flatMap(([name, words]) =>
    [make("dt", { textContent: name }), make("dd", { textContent: words, className: varies.has(name) ? "swept" : "" })]));
}
function startRecipe() {
  $("about").textContent = `${data.command}\n\n${JSON.stringify(data.about, null, 2)}`;
  $("copy").onclick = async () => {
    try { await navigator.clipboard.writeText($("command").textContent); $("copy").textContent = "Copied"; }
    catch { getSelection().selectAllChildren($("command")); $("copy").textContent = "Selected: press Ctrl+C"; }
  };
}
