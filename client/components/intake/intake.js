// Between the person's files and Streamlit's uploader, which says why it refuses a file only in a tooltip.

const UPLOADER = '[data-testid="stFileUploaderDropzone"]';

let pasted = 0;

export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.stopWatching?.(); // called anew, as after a change of the theme, with the former listeners still there

  function take(files) {
    const input = document.querySelector('[data-testid="stFileUploaderDropzoneInput"]');
    if (!files.length || !input) return;
    const said = [];
    const taken = new DataTransfer();
    for (const file of input.multiple ? files : files.slice(0, 1)) {
      const reason = refusal(file, data);
      if (reason) said.push(`${file.name}: ${reason}`);
      else taken.items.add(file);
    }
    if (taken.files.length) {
      input.files = taken.files;
      const handed = new Event("change", { bubbles: true });
      handed.isHanded = true;
      input.dispatchEvent(handed);
    } else input.value = "";
    // The page keeps what was said until other files are given.
    if (said.length || data.said) setTriggerValue("said", said);
  }

  // Streamlit calls the dropzone a presentation and names it; a reader is told of a group of that name.
  let frame = requestAnimationFrame(function name() {
    const dropzone = document.querySelector(UPLOADER);
    if (dropzone) dropzone.setAttribute("role", "group");
    else frame = requestAnimationFrame(name);
  });

  const changed = (event) => {
    if (event.isHanded || event.target?.dataset?.testid !== "stFileUploaderDropzoneInput") return;
    event.stopImmediatePropagation();
    take([...event.target.files]);
  };
  const dropped = (event) => {
    if (!event.target?.closest?.(UPLOADER)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    take([...event.dataTransfer.files]);
  };
  const paste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    take(files.map(named));
  };
  const ways = [["change", changed], ["drop", dropped], ["paste", paste]];
  for (const [name, listener] of ways) document.addEventListener(name, listener, { capture: true });
  parentElement.stopWatching = () => {
    cancelAnimationFrame(frame);
    ways.forEach(([name, listener]) => document.removeEventListener(name, listener, { capture: true }));
  };
  return parentElement.stopWatching;
}

/** Why a file is not taken, or nothing. */
function refusal(file, { suffixes, largest, kind }) {
  const name = file.name.toLowerCase();
  if (!suffixes.some((suffix) => name.endsWith(suffix))) return `this is no ${kind} that can be read here.`;
  if (file.size > largest) return `${megabytes(file.size)} MB is too much; at most ${megabytes(largest)} MB.`;
  if (!file.size) return "this file is empty.";
  return "";
}

/** Browsers call every pasted picture the same. */
function named(file) {
  pasted += 1;
  return new File([file], `pasted-${pasted}.${file.type.split("/")[1] ?? "png"}`, { type: file.type });
}

function megabytes(bytes) {
  return Math.round(bytes / 1e6);
}
