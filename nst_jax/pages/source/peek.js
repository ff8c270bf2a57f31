// A picture beside the pointer. Fingers have none.
function peek(e, i, words = []) {
  if (e.pointerType === "touch" || !lanes[i]) return;
  const card = $("peek"), [image, text] = card.children, lane = lanes[i];
  image.hidden = !lane.thumbnail;
  if (lane.thumbnail) image.src = lane.source.startsWith("data:") ? lane.source : lane.thumbnail;
  if (lane.size) image.style.aspectRatio = lane.size[0] / lane.size[1];
  text.replaceChildren(make("b", { textContent: say(i) }), ...words.flatMap(word => [make("br"), word]), ...(lane.source ? [] : [make("br"), "not finished"]));
  card.dataset.lane = i;
  card.hidden = false;
  const { width, height } = card.getBoundingClientRect();
  card.style.left = `${Math.max(8, e.clientX + 18 + width > innerWidth ? e.clientX - width - 18 : e.clientX + 18)}px`;
  card.style.top = `${Math.max(8, Math.min(innerHeight - height - 8, e.clientY - height / 2))}px`;
  if (lane.source && !lane.source.startsWith("data:")) { // the thumbnail until the file is there
    const whole = new Image();
    whole.onload = () => { if (card.dataset.lane === String(i)) image.src = lane.source; };
    whole.src = lane.source;
  }
}
function unpeek() { $("peek").hidden = true; }
function choose(e, i) { unpeek(); e.shiftKey ? compare(i) : select(i); }
