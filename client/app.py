"""The page: upload a photo, see each face with its emotion, and how far to trust it.

streamlit run client/app.py
"""

import sys
from pathlib import Path

import streamlit as st
from PIL import Image

# `streamlit run` puts this file's folder on the path, not the repository's root.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from client import drawing, settings
from client.api import EMOTIONS, Answer, EmotionClient, Face, ImageRefused, ServerAway, ServerBusy, ServiceError
from client.report import Report, load_report

# Longest side of the photo on the page: more than screens show, far less than phones send.
SHOWN_PIXELS = 1600

ADVICE = {
    ServerAway: "Start it with `make run`, or set `EMOTION_SERVER` to its address; then upload again.",
    ServerBusy: "Wait a few seconds and upload again.",
    ImageRefused: "Try another photo: JPEG or PNG, up to 25 megapixels.",
}
STAGE_NAMES = {"decode": "decode", "detect": "find faces", "align": "align", "classify": "read emotions"}


def main() -> None:
    st.set_page_config(page_title="Emotion detection", page_icon="🙂", layout="wide")
    st.title("What do these faces show?")
    st.write(
        "Upload a photo. Every face in it is found and read as one of seven expressions, with a calibrated confidence."
    )
    try:
        configuration = settings.from_environment()
    except ValueError as error:
        st.error(f"The page is not set up right: {error}.", icon=":material/settings:")
        st.stop()
    upload = st.file_uploader("A photo, .jpg or .png, up to 16 MB", type=["jpg", "jpeg", "png"])
    st.caption(":material/lock: Photos are processed in memory and discarded: not stored, not logged, not shared.")
    if upload is not None:
        analyse(upload.getvalue(), EmotionClient(configuration.server, configuration.timeout))
    st.divider()
    show_quality(load_report(configuration.report))
    show_limits()


def analyse(data: bytes, client: EmotionClient) -> None:
    """Send the photo and show the answer, or say what went wrong and what to do."""
    try:
        with st.spinner("Looking …"):
            answer = client.analyse(data)
    except ServiceError as error:
        advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), "")
        st.error(f"**{_sentence(str(error))}** {advice}", icon=":material/block:")
        return
    show_answer(data, answer)


def show_answer(data: bytes, answer: Answer) -> None:
    """The annotated photo beside its faces."""
    try:
        image = drawing.open_upright(data)
    except (OSError, SyntaxError, ValueError):  # what Pillow raises for a file that only the service could read
        st.error("The service could read this photo, but the page cannot show it. Save it anew and upload it again.")
        return
    faces = answer.analysis.faces
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.image(drawing.annotate(image, faces, longest=SHOWN_PIXELS), width="stretch", caption=_summary(faces))
        show_timing(answer)
    with right:
        if not faces:
            st.info(
                "No face was found. Faces should look towards the camera and be at least 20 pixels wide.",
                icon=":material/search:",
            )
        for number, face in enumerate(faces, start=1):
            show_face(number, face, image)


def show_face(number: int, face: Face, image: Image.Image) -> None:
    """A face's thumbnail, its emotion and all seven probabilities."""
    with st.container(border=True):
        thumbnail, details = st.columns([1, 3])
        thumbnail.image(drawing.face_crop(image, face), width="stretch")
        details.markdown(f"**{number} · {face.emotion.capitalize()}** — {face.confidence:.0%} confident")
        details.markdown(_bars(face), unsafe_allow_html=True)


def show_timing(answer: Answer) -> None:
    """Round trip and the server's stages."""
    stages = answer.analysis.timings_ms
    parts = " · ".join(f"{name} {stages[stage]:.1f} ms" for stage, name in STAGE_NAMES.items() if stage in stages)
    version = f"{answer.analysis.model.name} {answer.analysis.model.version}"
    st.caption(f"Round trip **{answer.round_trip * 1000:.0f} ms** — {parts} — model {version}")


def show_quality(report: Report | None) -> None:
    """Accuracy, precision, recall and F1 from the committed report."""
    st.subheader("How good is the model?")
    if report is None:
        st.write("No evaluation report is at hand; `make evaluate` writes one.")
        return
    low, high = report.accuracy_interval
    numbers = {
        "Accuracy": report.accuracy,
        "Precision": report.macro_precision,
        "Recall": report.macro_recall,
        "F1": report.macro_f1,
    }
    for column, (name, value) in zip(st.columns(4), numbers.items(), strict=True):
        column.metric(name, f"{value:.1%}" if name == "Accuracy" else f"{value:.3f}", border=True)
    st.caption(
        f"On the {report.count:,} faces of {report.data.name}, one view a face. The accuracy lies between {low:.1%} "
        f"and {high:.1%} with 95 % confidence; people reach about 65 % on these photos. Precision, recall and F1 are "
        f"means over the seven classes. Stated confidence is off by {report.ece:.1%} on average."
    )
    with st.expander("Scores of each emotion"):
        rows = [
            {
                "emotion": label,
                "precision": report.per_class[label].precision,
                "recall": report.per_class[label].recall,
                "F1": report.per_class[label].f1,
                "test faces": report.per_class[label].count,
            }
            for label in EMOTIONS
        ]
        st.dataframe(rows, hide_index=True, width="stretch")


def show_limits() -> None:
    """What the model cannot know, and what it is not for."""
    with st.expander("What it cannot know, and what it is not for"):
        st.markdown(
            "- **An expression is not a feeling.** The model reads how a face looks in one moment; what a person "
            "feels, means or is like cannot be read from it.\n"
            "- **It is often wrong**, above all on disgust, fear and sadness, on faces turned away, covered or small, "
            "and on people who are rare in its training photos.\n"
            "- **Not for** surveillance, hiring, schools, the workplace, policing, or influencing people. The European "
            "AI Act forbids inferring emotions at work and in schools, and asks that people be told wherever such a "
            "system looks at them."
        )


def _bars(face: Face) -> str:
    """The seven probabilities as bars, each with its name and number, so that colour is never the only sign."""
    rows = sorted(face.probabilities.items(), key=lambda pair: pair[1], reverse=True)
    cells = "".join(
        "<div style='display:grid;grid-template-columns:5.5rem 1fr 3rem;gap:.5rem;align-items:center;"
        "font-size:.85rem;line-height:1.5'>"
        f"<span>{name}</span>"
        "<span style='background:rgba(128,128,128,.2);border-radius:4px;height:.6rem'>"
        f"<span style='display:block;width:{value:.1%};min-width:2px;height:100%;border-radius:4px;"
        f"background:rgb{drawing.COLOURS.get(name, drawing.INK)}'></span></span>"
        f"<span style='text-align:right'>{value:.0%}</span></div>"
        for name, value in rows
    )
    return f"<div role='list' aria-label='probabilities' style='padding-bottom:.75rem'>{cells}</div>"


def _summary(faces: tuple[Face, ...]) -> str:
    if not faces:
        return "No face found"
    return f"{len(faces)} face{'s' if len(faces) > 1 else ''}, largest first"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


main()
