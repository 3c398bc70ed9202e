"""The pages: analyse photos, see how good the model is, watch the service, read what is done with photos.

`python -m client` runs it.
"""

import streamlit as st

from client import session


def main() -> None:
    st.set_page_config(page_title="Emotion detection", page_icon="🙂", layout="wide")
    session.configuration()  # stops here where a setting is wrong
    # Streamlit leaves a hundred empty pixels above a large title, and a photo may be taller than the window.
    st.html(
        "<style>.stMainBlockContainer { padding-top: 4.5rem } .stMainBlockContainer h1 { font-size: 2.25rem; "
        "padding: .25rem 0 }\n"
        ".st-key-photo img { max-height: 65vh; object-fit: contain; object-position: left }</style>"
    )
    views = {
        "analyse": ("Analyse", "face"),
        "performance": ("Model performance", "monitoring"),
        "service": ("Live service", "speed"),
        "privacy": ("Privacy and limits", "shield"),
    }
    pages = [
        st.Page(f"views/{name}.py", title=title, icon=f":material/{icon}:", default=name == "analyse")
        for name, (title, icon) in views.items()
    ]
    st.navigation(pages, position="top").run()


main()
