"""What happens to photos, what the model cannot know, and what it is not for."""

import streamlit as st

from client.consent import WHAT_HAPPENS, WHAT_HAPPENS_TO_MOVING


def show() -> None:
    """The page."""
    st.title("Privacy and limits")
    st.header("What happens to a photo")
    st.markdown(WHAT_HAPPENS)
    st.caption("The project's SECURITY.md names, for each of these sentences, the test that fails when it is not true.")
    st.header("What happens to pictures that move")
    st.markdown(WHAT_HAPPENS_TO_MOVING)
    st.header("What the model cannot know")
    st.markdown(
        "- **An expression is not a feeling.** People smile when they are sad and frown when they think. What a person "
        "feels, means or is like cannot be read from a face in one moment.\n"
        "- **Seven words are few.** Mixed, slight and culture-bound expressions end in one of them anyway.\n"
        "- **It is often wrong**, above all on disgust, fear and sadness, on faces turned away, covered, small or "
        "badly lit. The page “Model performance” says how often.\n"
        "- **Groups of people differ.** The training photos carry no age, gender or origin, so how well the model "
        "reads different groups has not been measured. Expect that it reads some worse than others.\n"
        "- **Confidence is about photos like those it learned from.** On other ones it can be sure and wrong."
    )
    st.header("What it is not for")
    st.markdown(
        "- Watching people who did not agree to it, in public, at work, at school or at a border.\n"
        "- Deciding about a person: hiring, marks, credit, insurance, policing, health.\n"
        "- Influencing people by what their face is taken to show.\n\n"
        "The European AI Act (Regulation (EU) 2024/1689) prohibits systems that infer emotions at the workplace and in "
        "education, except for medical or safety reasons (Article 5), and obliges whoever uses an emotion recognition "
        "system to tell the people it looks at (Article 50)."
    )


show()
