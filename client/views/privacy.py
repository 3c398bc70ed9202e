"""What happens to photos, what the model cannot know, and what it is not for."""

import streamlit as st


def show() -> None:
    """The page."""
    st.title("Privacy and limits")
    st.header("What happens to a photo")
    st.markdown(
        "1. Your browser sends it to this page's server, which makes it smaller if it is larger than 2,048 pixels and "
        "drops its metadata, such as where it was taken. Only a file that the page cannot read goes on unchanged, for "
        "the service to say what is wrong with it.\n"
        "2. The page's server sends it to the emotion service, which finds the faces, reads them and forgets them. "
        "The service writes one log line a photo: a random id, how many faces and how long; nothing of the picture "
        "and no name.\n"
        "3. Photo and answer stay in this browser tab's session so that you can look at them. They are gone when you "
        "press “Remove this photo” or “Clear everything”, reload the page or close the tab; going to another page "
        "keeps them.\n\n"
        "Nothing is written to disk, used for training or sent to anybody else. The page sends no telemetry."
    )
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
