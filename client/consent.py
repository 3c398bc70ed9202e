"""The notice that a person acknowledges before the first photo."""

import streamlit as st

NOTICE = (
    "- **Photos are processed in memory and discarded.** They are not stored, not logged, not shared, and they go "
    "nowhere but to the service's server.\n"
    "- **An expression is not a feeling.** The model reads how a face looks, and it is often wrong.\n"
    "- **Only with consent.** Use photos whose people agreed to it; never for surveillance, hiring, schools or the "
    "workplace. This is an emotion recognition system in the sense of the European AI Act: whoever shows it to people "
    "must tell them. The full text is on the page “Privacy and limits”."
)


def is_acknowledged() -> bool:
    """Whether this session's user has acknowledged the notice."""
    return bool(st.session_state.get("acknowledged"))


def acknowledged() -> bool:
    """The same; shows the notice until then."""
    if is_acknowledged():
        return True
    with st.container(border=True):
        st.markdown("**Before your first photo**")
        st.markdown(NOTICE)
        # A callback runs before the page does, so the notice is gone at once.
        st.button("I understand", on_click=_acknowledge, icon=":material/check:")
    return False


def _acknowledge() -> None:
    st.session_state.acknowledged = True
