"""The pages: analyse photos, see how good the model is, use the service from a program, watch it, read what is done
with photos.

`python -m client` runs it.
"""

import streamlit as st

from client import session

# Streamlit leaves a hundred empty pixels above a large title and more below the page's end.
STYLE = """
.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 2rem }
.stMainBlockContainer h1 { font-size: 2.25rem; padding: .25rem 0 }
.stMainBlockContainer h2 { font-size: 1.5rem }
.st-key-first-screen { display: grid; gap: 1rem 3rem }
@media (min-width: 40rem) {
  .st-key-first-screen { grid-template: auto 1fr / minmax(0, 2fr) minmax(0, 3fr) }
  .st-key-first-screen > :nth-child(2) { grid-area: 1 / 2 / span 2 }
}
.st-key-watched [data-stale=true] { opacity: 1 !important } /* drawn anew each second */
.st-key-intake { position: absolute } /* it shows nothing, and would take a gap */
@media (max-width: 40rem) {
  .stMainBlockContainer h1 { font-size: 1.5rem }
  .st-key-way button { padding-inline: .4rem } /* four in a row */
  .st-key-way button p { font-size: .8rem }
}
"""


def main() -> None:
    views = {
        "analyse": ("Analyse", "face"),
        "performance": ("Model performance", "monitoring"),
        "api": ("API", "code"),
        "service": ("Live service", "speed"),
        "privacy": ("Privacy and limits", "shield"),
    }
    pages = [
        st.Page(f"views/{name}.py", title=title, icon=f":material/{icon}:", default=name == "analyse")
        for name, (title, icon) in views.items()
    ]
    # Before the pages are known: else the browser would ask Google for the page's own icon.
    st.set_page_config(page_icon="🙂", layout="wide")
    page = st.navigation(pages, position="top")
    st.set_page_config(page_title=f"{page.title} · Emotion detection")
    session.configuration()  # stops here where a setting is wrong
    st.html(f"<style>{STYLE}</style>")
    page.run()


main()
