// The curve of the last minute: what is kept of each person, drawn and as CSV.

const MINUTE = 60_000;
const GAP = 2_000; // of milliseconds without a face, which end a line
const MOST_CARDS = 4; // of people; the CSV has all

class Curves {
  constructor(element, emotions, colours) {
    this.element = element;
    this.emotions = emotions;
    this.colours = colours;
    this.points = new Map(); // by person: {at, shown, confidence, probabilities, why}, oldest first
    this.cards = new Map();
    this.list = document.createElement("div");
    this.others = document.createElement("p");
    this.element.append(this.legend(), this.list, this.others);
  }

  add(at, people) {
    for (const { person, shown, confidence, probabilities, why } of people) {
      if (!this.points.has(person)) this.points.set(person, []);
      this.points.get(person).push({ at, shown, confidence, probabilities, why });
    }
    for (const [person, points] of this.points) {
      while (points.length && points[0].at < at - MINUTE) points.shift();
      if (!points.length) this.forget(person);
    }
  }

  forget(person) {
    this.points.delete(person);
    this.cards.get(person)?.remove();
    this.cards.delete(person);
  }

  clear() {
    for (const person of [...this.points.keys()]) this.forget(person);
  }

  // `doubted`: why nothing is known of this moment, if nothing is.
  draw(now, doubted) {
    const away = (person) => now - this.points.get(person).at(-1).at > GAP;
    for (const person of this.points.keys()) if (!this.cards.has(person)) this.place(person, away);
    for (const [person, card] of this.cards) {
      const points = this.points.get(person);
      const { shown, confidence, why } = points.at(-1);
      const seen = [named(shown, confidence), ...(why ? [why] : [])];
      const known = doubted ? [doubted] : away(person) ? ["not in the picture"] : seen;
      setText(card.querySelector("h2"), [`Face ${person}`, ...known].join(" · "));
      this.lines(card.querySelector("canvas"), points, now);
    }
    const more = this.points.size - this.cards.size;
    setText(this.others, more ? `${more} more ${more === 1 ? "face" : "faces"}: the CSV has them all.` : "");
  }

  // Give a person a card: a new one, or that of someone who is away. Whoever is in the picture keeps theirs.
  place(person, away) {
    const free = this.cards.size < MOST_CARDS;
    const gone = free || away(person) ? undefined : [...this.cards.keys()].find(away);
    if (!free && gone === undefined) return;
    const card = this.card(person);
    if (free) this.list.append(card);
    else this.cards.get(gone).replaceWith(card);
    this.cards.delete(gone);
    this.cards.set(person, card);
  }

  card(person) {
    const card = document.createElement("div");
    card.className = "person";
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Curve of face ${person} over the last minute; the CSV has its numbers`);
    const axis = document.createElement("div");
    axis.className = "axis";
    for (const time of ["−60 s", "−30 s", "0 s"]) {
      const end = document.createElement("span");
      end.textContent = time;
      axis.append(end);
    }
    card.append(document.createElement("h2"), canvas, axis);
    return card;
  }

  legend() {
    const legend = document.createElement("div");
    legend.className = "legend";
    for (const emotion of this.emotions) {
      const name = document.createElement("span");
      name.textContent = emotion;
      name.style.setProperty("--colour", this.colours[emotion]);
      legend.append(name);
    }
    return legend;
  }

  lines(canvas, points, now) {
    const { width, height } = fit(canvas);
    const pen = canvas.getContext("2d");
    const [x, y] = [(at) => width * (1 - (now - at) / MINUTE), (share) => 2 + (height - 4) * (1 - share)];
    pen.clearRect(0, 0, width, height);
    pen.strokeStyle = "rgba(128, 128, 128, .4)";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const share of [0, 0.5, 1]) {
      pen.moveTo(0, y(share));
      pen.lineTo(width, y(share));
    }
    pen.stroke();
    pen.lineWidth = 2 * devicePixelRatio;
    for (const emotion of this.emotions) {
      pen.strokeStyle = this.colours[emotion];
      pen.beginPath();
      let before = -Infinity;
      for (const { at, probabilities } of points) {
        const share = probabilities[emotion];
        if (share === undefined) continue;
        if (at - before > GAP) pen.moveTo(x(at), y(share));
        else pen.lineTo(x(at), y(share));
        before = at;
      }
      pen.stroke();
    }
  }

  csv(started) {
    const lines = [["seconds", "face", "shown", "confidence", ...this.emotions].join(",")];
    const all = [...this.points].flatMap(([person, points]) => points.map((point) => ({ person, ...point })));
    all.sort((a, b) => a.at - b.at || a.person - b.person);
    for (const { at, person, shown, confidence, probabilities } of all) {
      const shares = this.emotions.map((emotion) => probabilities[emotion]?.toFixed(4) ?? "");
      lines.push([((at - started) / 1000).toFixed(3), person, shown, confidence.toFixed(4), ...shares].join(","));
    }
    return `${lines.join("\n")}\n`;
  }
}
