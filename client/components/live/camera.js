// The camera: one frame is under way at a time, and the next is taken when it is answered.

const LONGEST = 640; // pixels of a frame
const SHORTEST = 60; // milliseconds between frames, every second one of most cameras: more would only warm machines
const PAUSE = 1_000; // milliseconds after a frame that was refused
const SPOKEN_EVERY = 5_000;
const DRAWN_EVERY = 200; // curves and numbers
const CLOSED = {
  4001: "This page is no longer connected. Reload it to go on.",
  4002: "Too many cameras are on at this page. Try again a little later.",
};
const REFUSED = {
  NotAllowedError: "The browser may not use the camera. Allow it in the browser's settings for this page.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is used by another program.",
};

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
    cameras.onchange = () => this.start(cameras.value);
    smoothing.oninput = () => this.wish();
    this.hidden = () => document.hidden && this.stop("The camera was stopped because the page was hidden.");
    this.left = () => this.stop("The camera was stopped because the page was left.");
    document.addEventListener("visibilitychange", this.hidden);
    addEventListener("pagehide", this.left);
    this.mirror();
  }

  async start(camera) {
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
    Object.assign(this, { started: performance.now(), times: [], delays: [], refused: 0, drawn: 0, heard: 0 });
    this.curves.clear();
    this.enable(true);
    this.connect();
    return undefined;
  }

  connect() {
    const address = new URL(this.data.path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ ticket: this.data.ticket, ...this.wishes() }));
      this.say("The camera is on.");
      this.next();
    };
    socket.onmessage = ({ data }) => this.socket === socket && this.answered(JSON.parse(data));
    socket.onclose = ({ code }) => {
      if (this.socket === socket) this.stop(CLOSED[code] ?? "The connection to the page was lost.");
    };
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
    const { socket } = this;
    if (this.awaited || this.underWay) return;
    this.awaited = true;
    this.video.requestVideoFrameCallback(() => {
      if (this.socket !== socket) return;
      this.awaited = false;
      if (this.video.paused) return;
      const now = performance.now();
      if (now - this.taken < SHORTEST) this.next();
      else this.send(now);
    });
  }

  send(now) {
    const { socket, video, frame } = this;
    Object.assign(this, { taken: now, underWay: true });
    const scale = Math.min(LONGEST / Math.max(video.videoWidth, video.videoHeight), 1);
    const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.round(side * scale));
    if (frame.width !== width || frame.height !== height) Object.assign(frame, { width, height });
    frame.getContext("2d").drawImage(video, 0, 0, width, height);
    frame.toBlob((blob) => this.socket === socket && socket.send(blob), "image/jpeg", 0.85);
  }

  answered({ error, people = [] }) {
    const now = performance.now();
    this.underWay = false;
    if (error) {
      this.refused += 1;
      this.people = []; // what was said of an earlier picture must not stand on a later one
      this.overlay.draw([], this.frame.width, this.frame.height, false);
      this.say(`A frame was refused: ${error}`);
    } else {
      if (this.complained) this.say("The camera is on.");
      this.people = people;
      this.times.push(now);
      this.delays.push(now - this.taken);
      this.curves.add(now, people);
      this.overlay.draw(people, this.frame.width, this.frame.height, this.parts.mirror.checked);
      this.root.dispatchEvent(
        new CustomEvent("overlay", { bubbles: true, composed: true, detail: { frame: this.frame, people } }),
      );
    }
    this.complained = Boolean(error);
    if (now - this.drawn > DRAWN_EVERY) this.report(now);
    setTimeout(() => this.next(), error ? PAUSE : 0);
  }

  report(now) {
    this.drawn = now;
    while (this.times.length > 1 && this.times[0] < now - 3_000) this.times.shift();
    this.delays = this.delays.slice(-50);
    const middle = [...this.delays].sort((a, b) => a - b)[this.delays.length >> 1] ?? 0;
    const rate = this.times.length > 1 ? ((this.times.length - 1) * 1000) / (now - this.times[0]) : 0;
    const numbers = [`${rate.toFixed(1)} frames a second`, `${middle.toFixed(0)} ms from camera to overlay`];
    setText(this.parts.measured, [...numbers, `${this.refused} refused`].join(" · "));
    this.curves.draw(now);
    const words = this.people.map(({ person, shown, confidence }) => `face ${person}: ${shown}, ${percent(confidence)}`);
    const described = words.length ? `Seen: ${words.join("; ")}` : "No face is seen";
    this.parts.overlay.setAttribute("aria-label", described);
    if (now - this.heard > SPOKEN_EVERY) {
      this.heard = now;
      setText(this.parts.spoken, described);
    }
  }

  pause() {
    const paused = !this.video.paused;
    if (paused) this.video.pause();
    else this.video.play().then(() => this.next(), () => {}); // it may be stopped meanwhile
    this.parts.pause.setAttribute("aria-pressed", String(paused));
    setText(this.parts.pause, paused ? "Go on" : "Pause");
    this.say(paused ? "Paused: no frame is sent." : "The camera is on.");
  }

  mirror() {
    const mirrored = this.parts.mirror.checked;
    this.video.classList.toggle("mirrored", mirrored);
    if (this.stream && this.frame.width) this.overlay.draw(this.people, this.frame.width, this.frame.height, mirrored);
  }

  async listCameras() {
    const { cameras } = this.parts;
    const found = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    const used = this.stream?.getVideoTracks()[0].getSettings().deviceId;
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
    picture.toBlob((blob) => save(blob, "emotions-live.png"));
  }

  stop(words) {
    const { socket, stream, attempt } = this;
    if (!attempt && words) return;
    Object.assign(this, { attempt: null, socket: null, stream: null, people: [], taken: 0 });
    Object.assign(this, { awaited: false, underWay: false });
    socket?.close();
    if (stream) end(stream);
    this.video.srcObject = null;
    this.overlay.draw([], this.frame.width, this.frame.height, false);
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
    pause.setAttribute("aria-pressed", "false");
  }

  say(words) {
    setText(this.parts.said, words);
  }

  leave() {
    this.left();
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
