// Boxes, emotions and bars over the running picture.

const INK = "#ffffff";
const PAPER = "rgba(16, 24, 40, .85)";
const MOST_BARS = 2; // of people: with more, bars would hide faces
const STEADY = 350; // milliseconds for which a box and its colour stay: more than three changes a second would flash
const NOBODY = "";

class Overlay {
  constructor(canvas, emotions, colours) {
    this.canvas = canvas;
    this.emotions = emotions;
    this.colours = colours;
    this.shown = new Map(); // by person: as the server sent them, the emotion that they are drawn with, and since when
  }

  // Show these people, as the server sends them, from now on. Whoever came, went or changed colour a moment ago stays.
  show(people, now) {
    const found = new Map(people.map((each) => [each.person, each]));
    const before = this.shown;
    this.shown = new Map();
    for (const person of new Set([...before.keys(), ...found.keys()])) {
      const [old, each] = [before.get(person), found.get(person)];
      const look = each?.shown ?? NOBODY;
      const young = old && now - old.since < STEADY;
      if (look === old?.look) {
        if (each || young) this.shown.set(person, { ...each, look, since: old.since });
      } else if (young) {
        const { box, probabilities } = each ?? old;
        this.shown.set(person, { ...old, box, probabilities });
      } else {
        this.shown.set(person, { ...each, look, since: now });
      }
    }
  }

  clear() {
    this.shown.clear();
  }

  // Boxes are in pixels of a picture of `width` and `height`.
  draw(width, height, mirrored) {
    const { canvas } = this;
    const people = [...this.shown.values()].filter(({ look }) => look !== NOBODY);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    for (const { person, box, look, confidence, probabilities } of people) {
      const [left, top, across, down] = [mirrored ? width - box[0] - box[2] : box[0], ...box.slice(1)];
      const colour = this.colours[look];
      for (const [style, line] of [["rgb(16, 24, 40)", 6], [colour, 3]]) {
        pen.strokeStyle = style;
        pen.lineWidth = line;
        pen.strokeRect(left, top, across, down);
      }
      this.label(pen, `${person}  ${named(look, confidence)}`, colour, left, top, width);
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
