"""The pages: analyse photos, see how good the model is, watch the service, read what is done with photos.

`python -m client` runs it.
"""

import streamlit as st

from client import session


def main() -> None:
    st.set_page_config(page_title="Emotion detection", page_icon="🙂", layout="wide")
    session.configuration()  # stops here where a setting is wrong
    # Streamlit leaves a hundred empty pixels above the title.
    st.html("<style>.stMainBlockContainer { padding-top: 4.5rem }</style>")
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
