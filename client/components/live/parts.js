// What the other files share.

function percent(share) {
  return `${Math.round(share * 100)}%`;
}

// "uncertain" stands alone: a percentage beside it would seem to say how much.
function named(shown, confidence, between = " ") {
  return shown === "uncertain" ? shown : `${shown}${between}${percent(confidence)}`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A canvas with as many pixels as it takes on the screen.
function fit(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * devicePixelRatio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return { width, height };
}

function end(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
