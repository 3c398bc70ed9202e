// Boxes, emotions and bars over the running picture.

const INK = "#ffffff";
const PAPER = "rgba(16, 24, 40, .85)";
const MOST_BARS = 2; // of people: with more, bars would hide faces

class Overlay {
  constructor(canvas, emotions, colours) {
    this.canvas = canvas;
    this.emotions = emotions;
    this.colours = colours;
  }

  // `people` as the server sends them, in pixels of a picture of `width` and `height`.
  draw(people, width, height, mirrored) {
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    for (const { person, box, shown, confidence, probabilities } of people) {
      const [left, top, across, down] = [mirrored ? width - box[0] - box[2] : box[0], ...box.slice(1)];
      const colour = this.colours[shown];
      for (const [style, line] of [["rgb(16, 24, 40)", 6], [colour, 3]]) {
        pen.strokeStyle = style;
        pen.lineWidth = line;
        pen.strokeRect(left, top, across, down);
      }
      this.label(pen, `${person}  ${shown} ${percent(confidence)}`, colour, left, top, width);
      if (people.length <= MOST_BARS) this.bars(pen, probabilities, left, top, across, width, height);
    }
  }

  label(pen, text, colour, left, top, width) {
    pen.font = "600 16px sans-serif";
    const across = pen.measureText(text).width + 22;
    const x = Math.max(Math.min(left - 2, width - across), 0);
    const y = Math.max(top - 30, 0);
    pen.fillStyle = PAPER;
    pen.fillRect(x, y, across, 26);
    pen.fillStyle = colour;
    pen.fillRect(x, y, 6, 26);
    pen.fillStyle = INK;
    pen.fillText(text, x + 14, y + 14);
  }

  // Beside the box, on the side where there is more room.
  bars(pen, probabilities, left, top, across, width, height) {
    const rows = this.emotions.filter((emotion) => probabilities[emotion] !== undefined);
    const [wide, row] = [150, 17];
    const tall = rows.length * row + 8;
    if (!rows.length) return;
    const right = width - left - across;
    const x = Math.max(Math.min(right > left ? left + across + 8 : left - wide - 8, width - wide), 0);
    const y = Math.max(Math.min(top, height - tall), 0);
    pen.font = "12px sans-serif";
    pen.fillStyle = PAPER;
    pen.fillRect(x, y, wide, tall);
    rows.forEach((emotion, index) => {
      const middle = y + 4 + (index + 0.5) * row;
      pen.fillStyle = INK;
      pen.fillText(emotion, x + 6, middle);
      pen.fillStyle = this.colours[emotion];
      pen.fillRect(x + 68, middle - 4, Math.max(74 * probabilities[emotion], 1), 8);
    });
  }
}
