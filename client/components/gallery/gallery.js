// Thumbnails of many photos; a click shows one, at the top of the page.

export default function ({ data, parentElement, setTriggerValue }) {
  const list = document.createElement("ul");
  list.className = "gallery";
  list.setAttribute("aria-label", "Photos");
  for (const tile of data.tiles) list.append(item(tile, tile.id === data.shown, setTriggerValue));
  const before = parentElement.querySelector(".gallery");
  const focused = parentElement.activeElement?.dataset.id;
  if (before) before.replaceWith(list);
  else parentElement.append(list);
  // A list that is drawn anew must not lose the place of someone who goes through it with the keyboard.
  if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function item(tile, shown, setTriggerValue) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.id = tile.id;
  button.title = tile.name;
  button.setAttribute("aria-current", shown);
  const said = tile.badges.map(({ text }) => text).join(", ");
  button.setAttribute("aria-label", `Photo ${tile.number}, ${tile.name}: ${said}`);
  const picture = span("picture", "");
  if (tile.picture) picture.style.backgroundImage = `url(${tile.picture})`;
  const badges = span("badges", "");
  for (const { text, colour } of tile.badges) {
    const badge = span("badge", text);
    badge.style.setProperty("--colour", colour);
    badges.append(badge);
  }
  button.append(picture, span("name", `${tile.number} · ${tile.name}`), badges);
  button.addEventListener("click", () => {
    setTriggerValue("chosen", tile.id);
    document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0, behavior: "smooth" });
  });
  const entry = document.createElement("li");
  entry.append(button);
  return entry;
}

function span(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}
