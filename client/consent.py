"""The notice that a person acknowledges before the first photo, and what it says in more words."""

import streamlit as st

from client import uploads

NOTICE = (
    "- **Photos are processed in memory and discarded.** They are not stored, not logged, not shared, and they go "
    "nowhere but to the service's server.\n"
    "- **An expression is not a feeling.** The model reads how a face looks, and it is often wrong.\n"
    "- **Only with consent.** Use photos whose people agreed to it; never for surveillance, hiring, schools or the "
    "workplace. This is an emotion recognition system in the sense of the European AI Act: whoever shows it to people "
    "must tell them. The full text is on the page “Privacy and limits”."
)

WHAT_HAPPENS = """\
1. Your browser sends it to this page's server, which makes it smaller if it is larger than 2,000 pixels and drops its
   metadata, such as where it was taken. Only a file that the page cannot read goes on unchanged, for the service to say
   what is wrong with it.
2. The page's server sends it to the emotion service, which finds the faces, reads them and forgets them. The service
   writes one log line a photo: a random id, how many faces and how long; nothing of the picture and no name.
3. Photo and answer stay in this browser tab's session so that you can look at them; going to another page keeps them.
   They are gone at once when you press “Remove this photo” or “Clear everything”, and a minute after you reload the
   page or close the tab: that long the server waits for a tab that was only cut off.

Nothing is written to disk, used for training or sent to anybody else. The page sends no telemetry.
"""

WHAT_HAPPENS_TO_MOVING = """\
- **A video** stays in the memory of this page's server, which takes it apart there and sends single pictures of it to
  the service, as above; what was recorded to be heard is not touched. It is gone when you press “Another video”, a
  minute after you reload the page or close the tab, and the work on it ends then too.
- **The live camera** is on only after you press “Start the camera”, and goes off by itself when you leave or hide the
  page. Your browser makes its pictures smaller and sends one after the other; this page's server passes each on and
  keeps none. The numbers of the last minute, for the curve, are in your browser alone.
- **Faces are followed** by their place in the picture, for the numbers beside them. Nobody is recognised, and who comes
  back after a few seconds gets a new number.

Everybody whom the camera sees must have agreed to it, and must know that it is on.
"""


def is_acknowledged() -> bool:
    """Whether this session's user has acknowledged the notice; from then on its files are taken."""
    if not st.session_state.get("acknowledged"):
        return False
    uploads.welcome()
    return True


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
