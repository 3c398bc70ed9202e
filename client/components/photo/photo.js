// One photo with a box on every face, and a card for each face; pointing at one marks the other.

const MOST_LABELS = 8; // with more faces, numbered dots stand in place of labels, which would cover faces
const CROP = 104; // pixels of a card's picture of its face: twice what it takes on the page, for fine screens
const INK_SIZE = 13; // pixels of a label's letters, however large the photo is shown

export default function ({ data, parentElement }) {
  const before = parentElement.querySelector(".photo-of-faces");
  const text = JSON.stringify(data);
  let view = before?.view;
  if (view?.text !== text) {
    // Drawn anew only if there is something new: whoever is at a card stays there.
    const root = element("div", { class: "photo-of-faces" });
    view?.close();
    if (before) before.replaceWith(root);
    else parentElement.append(root);
    view = root.view = new View(root, data, before?.view.chosen ?? 0);
    view.text = text;
  }
  view.open();
  return () => view.close();
}

class View {
  constructor(root, data, chosen) {
    this.data = data;
    const many = data.faces.length > MOST_LABELS;
    this.image = element("img", { src: data.image, alt: data.description });
    this.drawing = svg("svg", { "aria-hidden": "true" });
    const photo = element("div", { class: "photo" }, this.image, this.drawing);
    this.cards = data.faces.map((face) => this.card(face));
    const layout = element("div", { class: "layout" }, photo);
    layout.style.setProperty("--ratio", data.width / data.height);
    layout.style.setProperty("--width", data.width);
    if (this.cards.length) {
      layout.classList.add("with-cards");
      layout.append(element("ol", { class: many ? "cards many" : "cards", "aria-label": "Faces" }, ...this.cards));
    }
    root.append(layout);
    this.choose(chosen <= data.faces.length ? chosen : 0);
    this.image.decode().then(() => this.cards.forEach((card, at) => this.cut(card, data.faces[at].box)), () => {});
    this.sizes = new ResizeObserver(() => this.draw());
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.choose(0));
  }

  open() {
    this.sizes.observe(this.image);
  }

  close() {
    this.sizes.disconnect();
  }

  card(face) {
    const says = `Face ${face.number}: ${face.named}. ${face.notes.join(" ")}`;
    const button = element("button", { type: "button", "aria-label": says.trim() });
    button.append(element("canvas", { width: CROP, height: CROP }));
    if (face.seen) {
      button.append(element("img", { class: "seen", src: face.seen, alt: "" }));
    }
    const name = element("span", { class: "name" }, element("b", {}, `${face.number} · ${capital(face.emotion)}`));
    name.append(face.named.slice(face.emotion.length));
    button.append(name);
    const card = element("li", { class: "card", title: face.notes.join(" ") }, button);
    card.style.setProperty("--colour", face.colour);
    if (face.bars.length) card.append(bars(face.bars));
    for (const note of face.notes) card.append(element("p", {}, note));
    card.addEventListener("click", () => this.toggle(face.number));
    this.marks(card, face.number);
    return card;
  }

  /** Pointing at `target`, or focusing it, marks the face. */
  marks(target, number) {
    for (const [event, marked] of [["pointerenter", number], ["pointerleave", 0], ["focusin", number], ["focusout", 0]])
      target.addEventListener(event, () => this.mark(marked));
  }

  mark(number) {
    this.marked = number;
    this.show();
  }

  toggle(number) {
    this.choose(this.chosen === number ? 0 : number);
  }

  choose(number) {
    this.chosen = number;
    this.draw();
  }

  /** What is marked and what is chosen, on the photo and on the cards. */
  show() {
    this.cards.forEach((card, at) => {
      card.classList.toggle("marked", at + 1 === this.marked);
      card.classList.toggle("chosen", at + 1 === this.chosen);
      card.firstChild.setAttribute("aria-pressed", at + 1 === this.chosen);
    });
    for (const group of this.drawing.querySelectorAll(".face")) {
      const number = Number(group.dataset.number);
      group.classList.toggle("marked", number === this.marked || number === this.chosen);
    }
    for (const label of this.drawing.querySelectorAll(".on-request")) {
      const number = Number(label.dataset.number);
      label.setAttribute("visibility", number === this.marked || number === this.chosen ? "visible" : "hidden");
    }
  }

  /** The boxes and labels at the size at which the photo is shown. */
  draw() {
    const { clientWidth: width, clientHeight: height } = this.image;
    if (!width) return;
    const scale = width / this.data.width;
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const boxes = this.data.faces.map(({ box }) => within(box, scale, width, height));
    this.drawing.replaceChildren();
    const chosen = boxes[this.chosen - 1];
    if (chosen) {
      const { x, y, width: w, height: h } = chosen;
      const shade = `M0 0H${width}V${height}H0ZM${x} ${y}V${y + h}H${x + w}V${y}Z`;
      this.drawing.append(svg("path", { class: "shade", d: shade }));
    }
    // Small faces last: where boxes overlap, the smaller one is on top and can be pointed at.
    const groups = this.data.faces.map((face, at) => this.box(face, boxes[at]));
    this.drawing.append(...groups);
    const covered = [...boxes];
    const many = boxes.length > MOST_LABELS;
    this.data.faces.forEach((face, at) => {
      const text = `${face.number}  ${face.named}`;
      const plate = place(textWidth(text) + 20, 22, boxes[at], width, height, covered);
      if (many || overlap(plate, covered)) {
        groups[at].append(dot(face, boxes[at]));
        // The whole label only while the face is pointed at or chosen, above everything else.
        const hidden = label(text, face.colour, plate);
        hidden.classList.add("on-request");
        hidden.dataset.number = face.number;
        this.drawing.append(hidden);
      } else {
        groups[at].append(label(text, face.colour, plate));
        covered.push(plate);
      }
    });
    this.show();
  }

  box(face, box) {
    const group = svg("g", { class: "face", "data-number": face.number });
    group.append(svg("rect", { class: "outline", rx: 4, ...box }));
    group.append(svg("rect", { class: "line", rx: 4, stroke: face.colour, ...box }));
    group.addEventListener("click", () => {
      this.toggle(face.number);
      this.cards[face.number - 1].scrollIntoView({ block: "nearest" });
    });
    this.marks(group, face.number);
    return group;
  }

  /** A square around the face, within the photo, so that it has no black edges; upright where the face is not. */
  cut(card, box) {
    const canvas = card.querySelector("canvas");
    const pen = canvas.getContext("2d");
    const { width, height, turned } = this.data;
    const side = Math.min(1.3 * Math.max(box.width, box.height), width, height);
    const left = between(box.x + box.width / 2 - side / 2, 0, width - side);
    const top = between(box.y + box.height / 2 - side / 2, 0, height - side);
    const scale = this.image.naturalWidth / width;
    pen.imageSmoothingQuality = "high";
    pen.translate(CROP / 2, CROP / 2);
    pen.rotate((turned * Math.PI) / 180);
    pen.drawImage(
      this.image, left * scale, top * scale, side * scale, side * scale, -CROP / 2, -CROP / 2, CROP, CROP,
    );
  }
}

function bars(shares) {
  const spoken = shares.map(({ name, percent }) => `${name} ${percent}`).join(", ");
  const list = element("div", { class: "bars", role: "img", "aria-label": `Probabilities: ${spoken}` });
  for (const { name, share, percent, colour, place } of shares) {
    const fill = element("span", { class: "fill" });
    fill.style.setProperty("--share", `${100 * share}%`);
    fill.style.setProperty("--colour", colour);
    const bar = element("div", { class: "bar" }, element("span", {}, name), element("span", { class: "track" }, fill));
    bar.append(element("span", { class: "percent" }, percent));
    bar.style.setProperty("--place", place);
    list.append(bar);
  }
  return list;
}

function dot(face, box) {
  const radius = between(Math.min(box.width, box.height) / 3, 8, 10);
  const x = box.x + box.width / 2;
  const y = Math.max(box.y - 2, radius + 1);
  const group = svg("g", { class: "dot" });
  group.append(svg("circle", { class: "plate", cx: x, cy: y, r: radius, stroke: face.colour, "stroke-width": 2 }));
  const text = svg("text", { x, y });
  text.textContent = face.number;
  group.append(text);
  return group;
}

function label(text, colour, { x, y, width, height }) {
  const group = svg("g", {});
  group.append(svg("rect", { class: "plate", x, y, width, height, rx: 3 }));
  group.append(svg("rect", { x, y, width: 6, height, rx: 3, fill: colour }));
  const words = svg("text", { x: x + 12, y: y + height / 2 });
  words.textContent = text;
  group.append(words);
  return group;
}

/** Where a label hides least: above its box, below it, or at its other side; as emotion/placement.py does it. */
function place(width, height, box, photoWidth, photoHeight, covered) {
  const right = box.x + box.width - width;
  const [above, below] = [box.y - height - 4, box.y + box.height + 4];
  const places = [[box.x, above], [right, above], [box.x, below], [right, below]].map(([x, y]) => ({
    x: between(x, 0, photoWidth - width),
    y: between(y, 0, photoHeight - height),
    width,
    height,
  }));
  return places.reduce((best, each) => (overlap(each, covered) < overlap(best, covered) ? each : best));
}

function overlap(a, others) {
  const shared = (b, from, size) =>
    Math.max(Math.min(a[from] + a[size], b[from] + b[size]) - Math.max(a[from], b[from]), 0);
  return others.reduce((sum, b) => sum + shared(b, "x", "width") * shared(b, "y", "height"), 0);
}

/** A box in pixels of the screen, cut at the photo's edge so that all four sides are seen. */
function within(box, scale, width, height) {
  const x = between(box.x * scale, 2, width - 2);
  const y = between(box.y * scale, 2, height - 2);
  return {
    x,
    y,
    width: between((box.x + box.width) * scale, 2, width - 2) - x,
    height: between((box.y + box.height) * scale, 2, height - 2) - y,
  };
}

let ruler;
function textWidth(text) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = `600 ${INK_SIZE}px ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

function between(value, least, most) {
  return Math.max(Math.min(value, most), least);
}

function capital(word) {
  return word[0].toUpperCase() + word.slice(1);
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
