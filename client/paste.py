"""Pictures from the clipboard: pasting anywhere on the page fills the file uploader."""

import streamlit as st

# Streamlit's uploader takes dropped and chosen files only; this hands it pasted ones as if they had been chosen.
SCRIPT = """
export default function () {
  const paste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const input = document.querySelector('[data-testid="stFileUploaderDropzoneInput"]');
    if (!files.length || !input) return;
    const transfer = new DataTransfer();
    files.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    event.preventDefault();
  };
  document.addEventListener("paste", paste);
  return () => document.removeEventListener("paste", paste);
}
"""

_component = st.components.v2.component("paste_into_uploader", js=SCRIPT)


def paste_into_uploader() -> None:
    """Listen for pasted pictures while the page shows a file uploader."""
    _component(height=0)
