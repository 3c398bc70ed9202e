// The camera: one frame is under way at a time, and the next is taken when it is answered.

const LONGEST = 640; // pixels of a frame
const SHORTEST = 60; // milliseconds between frames, every second one of most cameras: more would only warm machines
const PAUSE = 1_000; // milliseconds after a frame that was refused
const SILENCE = 5_000; // milliseconds without an answer, after which nothing is claimed any more
const GIVEN_UP = 10_000; // milliseconds after that, or for a connection to come about
const SPOKEN_EVERY = 5_000;
const DRAWN_EVERY = 200; // curves and numbers
const MEASURED = 3_000; // milliseconds that the numbers are of
const LOST = "The connection to the page was lost.";
const CLOSED = {
  4001: "This page is no longer connected. Reload it to go on.",
  4002: "Too many cameras are on at this page. Try again a little later.",
};
const REFUSED = {
  NotAllowedError: "The browser may not use the camera. Allow it in the browser's settings for this page.",
  NotFoundError: "No camera was found.",
  OverconstrainedError: "The chosen camera is no longer there.",
  NotReadableError: "The camera is used by another program.",
};

let lastWords = ""; // of a camera that was stopped because its page was left, for when the person comes back

class LiveCamera {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    const part = (name) => root.querySelector(name);
    this.parts = Object.fromEntries(
      ["live", "start", "pause", "moment", "csv", "mirror", "cameras", "smoothing", "seconds", "said", "measured",
        "spoken", "people", "overlay"].map((name) => [name, part(`.${name}`)]),
    );
    this.video = part("video");
    this.frame = document.createElement("canvas");
    this.overlay = new Overlay(this.parts.overlay, data.emotions, data.colours);
    this.curves = new Curves(this.parts.people, data.emotions, data.colours);
    this.people = [];
    const { start, pause, moment, csv, mirror, cameras, smoothing } = this.parts;
    start.onclick = () => (this.socket ? this.stop("The camera is off.") : this.start());
    pause.onclick = () => this.pause();
    moment.onclick = () => this.savePicture();
    csv.onclick = () => save(new Blob([this.curves.csv(this.started)], { type: "text/csv" }), "emotions-live.csv");
    mirror.onchange = () => this.mirror();
    cameras.onchange = () => this.start();
    smoothing.oninput = () => this.wish();
    this.hidden = () => document.hidden && this.stop("The camera was stopped because the page was hidden.");
    this.left = () => this.stop("The camera was stopped because the page was left.");
    this.plugged = () => this.listCameras();
    document.addEventListener("visibilitychange", this.hidden);
    addEventListener("pagehide", this.left);
    navigator.mediaDevices?.addEventListener("devicechange", this.plugged);
    this.mirror();
    this.say(lastWords);
    lastWords = "";
  }

  async start() {
    const camera = this.parts.cameras.value;
    this.stop("");
    this.say("Waiting for the camera …");
    const attempt = {}; // the page may be left while the person is asked
    this.attempt = attempt;
    try {
      const size = { width: { ideal: LONGEST }, height: { ideal: 480 } };
      const choice = camera ? { deviceId: { exact: camera } } : { facingMode: "user" };
      if (!navigator.mediaDevices) throw new DOMException("", "NotAllowedError"); // the page came without TLS
      const stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, ...choice } });
      if (this.attempt !== attempt) return end(stream);
      this.stream = stream;
      this.video.srcObject = stream;
      stream.getVideoTracks()[0].onended = () => this.stop("The camera was unplugged or taken away.");
      await this.video.play();
      await this.listCameras();
    } catch (error) {
      if (this.attempt === attempt) this.stop(REFUSED[error.name] ?? "The camera cannot be used.");
      return undefined;
    }
    if (this.attempt !== attempt) return undefined;
    Object.assign(this, { started: null, measured: [], refused: 0, drawn: 0, heard: 0, most: 0 });
    this.curves.clear();
    this.fit();
    this.doubt("No answer yet");
    this.enable(true);
    this.connect();
    return undefined;
  }

  connect() {
    this.later(() => this.stop(LOST), GIVEN_UP);
    const address = new URL(this.data.path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    const before = this.most; // each connection counts people from one
    socket.onopen = () => {
      clearTimeout(this.timer);
      socket.send(JSON.stringify({ ticket: this.data.ticket, ...this.wishes() }));
      this.note("The camera is on.");
      this.next();
    };
    socket.onmessage = ({ data }) => this.socket === socket && this.answered(JSON.parse(data), before);
    socket.onclose = ({ code }) => {
      if (this.socket === socket) this.stop(CLOSED[code] ?? LOST);
    };
  }

  // Whatever is awaited is no longer wanted.
  disconnect() {
    clearTimeout(this.timer);
    this.video.cancelVideoFrameCallback(this.callback);
    this.socket?.close();
    Object.assign(this, { socket: null, awaited: false, underWay: false });
  }

  // One thing at a time is waited for.
  later(work, milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(work, milliseconds);
  }

  wishes() {
    const { threshold, detail } = this.data;
    return { smoothing: Number(this.parts.smoothing.value), threshold, detail };
  }

  wish() {
    setText(this.parts.seconds, `${Number(this.parts.smoothing.value).toFixed(1)} s`);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(this.wishes()));
  }

  // Take the next picture that the camera shows, unless one is awaited or under way.
  next() {
    if (this.socket?.readyState !== WebSocket.OPEN || this.awaited || this.underWay) return;
    this.awaited = true;
    this.callback = this.video.requestVideoFrameCallback((_, { captureTime }) => {
      this.awaited = false;
      if (this.video.paused) return;
      const now = performance.now();
      if (now - this.taken < SHORTEST) this.next();
      else this.send(now, captureTime ?? now); // not all browsers know when the camera saw it
    });
  }

  send(now, seen) {
    const { socket, frame } = this;
    this.started ??= seen;
    Object.assign(this, { taken: now, seen, underWay: true });
    this.fit();
    frame.getContext("2d").drawImage(this.video, 0, 0, frame.width, frame.height);
    frame.toBlob((blob) => this.socket === socket && socket.send(blob), "image/jpeg", 0.85);
    this.later(() => this.miss(), SILENCE);
  }

  // Give the frame the size of the camera's picture, or less.
  fit() {
    const { video, frame } = this;
    const scale = Math.min(LONGEST / Math.max(video.videoWidth, video.videoHeight), 1);
    const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.round(side * scale));
    if (frame.width !== width || frame.height !== height) Object.assign(frame, { width, height });
  }

  answered({ error, people: counted = [] }, before) {
    this.underWay = false;
    const people = counted.map((each) => ({ ...each, person: before + each.person }));
    this.most = Math.max(this.most, ...people.map(({ person }) => person));
    if (error) {
      this.refused += 1;
      this.doubt("The last frame was refused");
      this.note(`A frame was refused: ${error}`);
    } else {
      if (this.doubted) this.note("The camera is on.");
      Object.assign(this, { people, doubted: "" });
      this.curves.add(this.seen, people);
      this.overlay.show(people, performance.now());
      this.draw();
      this.measured.push({ at: performance.now(), delay: performance.now() - this.seen });
      this.root.dispatchEvent(
        new CustomEvent("overlay", { bubbles: true, composed: true, detail: { frame: this.frame, people } }),
      );
    }
    const now = performance.now();
    if (error || now - this.drawn > DRAWN_EVERY) this.report(now);
    this.later(() => this.next(), error ? PAUSE : 0);
  }

  // A frame has had no answer for long.
  miss() {
    this.doubt("No answer");
    this.note("No answer for 5 seconds: the network is slow or gone.");
    this.later(() => {
      this.disconnect();
      this.connect();
    }, GIVEN_UP);
  }

  // What was said of an earlier picture must not stand on a later one. `why`: what is said instead.
  doubt(why) {
    Object.assign(this, { people: [], doubted: why });
    this.overlay.clear();
    this.draw();
    this.describe();
  }

  draw() {
    this.overlay.draw(this.frame.width, this.frame.height, this.parts.mirror.checked);
  }

  report(now) {
    this.drawn = now;
    this.measured = this.measured.filter(({ at }) => at > now - MEASURED);
    const count = this.measured.length;
    const middle = this.measured.map(({ delay }) => delay).sort((a, b) => a - b)[count >> 1];
    const rate = count > 1 ? ((count - 1) * 1000) / (now - this.measured[0].at) : 0;
    const numbers = [`${rate.toFixed(1)} frames a second`];
    if (count) numbers.push(`${middle.toFixed(0)} ms from camera to overlay`);
    numbers.push(`${this.refused} refused`);
    if (!this.people.length && !this.doubted) numbers.push("no face is seen");
    setText(this.parts.measured, numbers.join(" · "));
    const described = this.describe();
    if (now - this.heard > SPOKEN_EVERY) {
      this.heard = now;
      setText(this.parts.spoken, described);
    }
  }

  // For those who do not see the picture; the cards say the same.
  describe() {
    const say = ({ person, shown, confidence }) => `face ${person}: ${named(shown, confidence, ", ")}`;
    const seen = this.people.map(say);
    const words = this.doubted || (seen.length ? `Seen: ${seen.join("; ")}` : "No face is seen");
    this.parts.overlay.setAttribute("aria-label", words);
    this.curves.draw(performance.now(), this.doubted.toLowerCase());
    return words;
  }

  pause() {
    const paused = !this.video.paused;
    if (paused) this.video.pause();
    else this.video.play().then(() => this.next(), () => {}); // it may be stopped meanwhile
    setText(this.parts.pause, paused ? "Go on" : "Pause");
    this.say(paused ? "Paused: no frame is sent." : "The camera is on.");
  }

  mirror() {
    this.video.classList.toggle("mirrored", this.parts.mirror.checked);
    this.draw();
  }

  async listCameras() {
    const { cameras } = this.parts;
    const found = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    const used = this.stream?.getVideoTracks()[0].getSettings().deviceId ?? cameras.value;
    cameras.replaceChildren(
      ...found.map(({ deviceId, label }, index) => new Option(label || `camera ${index + 1}`, deviceId, false,
        deviceId === used)),
    );
  }

  savePicture() {
    const { video, parts } = this;
    const picture = document.createElement("canvas");
    Object.assign(picture, { width: parts.overlay.width, height: parts.overlay.height });
    const pen = picture.getContext("2d");
    if (parts.mirror.checked) pen.setTransform(-1, 0, 0, 1, picture.width, 0);
    pen.drawImage(video, 0, 0, picture.width, picture.height);
    pen.resetTransform();
    pen.drawImage(parts.overlay, 0, 0);
    picture.toBlob((blob) => blob && save(blob, "emotions-live.png"));
  }

  stop(words) {
    const { stream, attempt } = this;
    if (!attempt && words) return;
    this.disconnect();
    Object.assign(this, { attempt: null, stream: null, taken: 0 });
    if (stream) end(stream);
    this.video.srcObject = null;
    this.doubt("The camera is off");
    for (const each of [this.parts.measured, this.parts.spoken]) setText(each, "");
    this.enable(false);
    this.say(words);
  }

  // The curve can still be taken when the camera is off.
  enable(on) {
    const { live, start, pause, moment, csv, cameras } = this.parts;
    live.classList.toggle("on", on);
    setText(start, on ? "Stop the camera" : "Start the camera");
    start.classList.toggle("primary", !on);
    for (const each of [pause, moment, cameras]) each.disabled = !on;
    csv.disabled = !on && !this.curves.points.size;
    setText(pause, "Pause");
  }

  say(words) {
    setText(this.parts.said, words);
  }

  // Of the answers; while nothing is sent, that is what matters.
  note(words) {
    if (!this.video.paused) this.say(words);
  }

  leave() {
    const on = this.attempt;
    this.left();
    if (on) lastWords = this.parts.said.textContent;
    navigator.mediaDevices?.removeEventListener("devicechange", this.plugged);
    document.removeEventListener("visibilitychange", this.hidden);
    removeEventListener("pagehide", this.left);
  }
}

const cameras = new WeakMap(); // by the element that Streamlit gave: a rerun of the page must not stop a camera

export default function ({ parentElement, data }) {
  if (!cameras.has(parentElement)) cameras.set(parentElement, new LiveCamera(parentElement, data));
  const camera = cameras.get(parentElement);
  camera.data = data;
  camera.wish();
  return () => {
    camera.leave();
    cameras.delete(parentElement);
  };
}
