"""Many photographs at once: what was read in all of them, and a gallery to choose from."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from client import session, words
from client.api import ServiceError
from client.components import gallery
from client.drawing import COLOURS
from client.results import EMOTIONS, UNCERTAIN, Outcome, shown_emotion
from emotion.labels import css

NO_FACE, NOT_READ = "no face", "not read"
KINDS = (*EMOTIONS, UNCERTAIN, NO_FACE, NOT_READ)
"""What a photo is found by: what its faces show, or why it has none."""

GREY = (134, 142, 150)


@dataclass(frozen=True)
class Entry:
    """One photo of the session: `id` is the photo's, `number` its place from 1, `kinds` of its faces."""

    id: str
    number: int
    outcome: Outcome
    kinds: Counter[str]

    @property
    def surest(self) -> float:
        """Confidence of the face that is least sure; 0 for a photo without faces."""
        return min((face.confidence for face in self.outcome.faces), default=0.0)


def entries(ids: Sequence[str], outcomes: Sequence[Outcome], threshold: float) -> list[Entry]:
    """Each photo with what was read in it; all that the page says of many photos is counted from these."""
    return [
        Entry(photo, number, outcome, Counter(_kinds(outcome, threshold)))
        for number, (photo, outcome) in enumerate(zip(ids, outcomes, strict=True), start=1)
    ]


def _kinds(outcome: Outcome, threshold: float) -> list[str]:
    if isinstance(outcome.answer, ServiceError):
        return [NOT_READ]
    return [shown_emotion(face, threshold) for face in outcome.faces] or [NO_FACE]


def summary(every: Sequence[Entry]) -> None:
    """How many there are of each kind, in words and as a bar."""
    total = _total(every)
    faces = sum(len(entry.outcome.faces) for entry in every)
    st.markdown(f"**{len(every)} photos · {faces} face{'' if faces == 1 else 's'}**")
    emotions = [(kind, total[kind]) for kind in (*EMOTIONS, UNCERTAIN) if total[kind]]
    if emotions:
        st.html(_bar(emotions))


def turn_pages(every: Sequence[Entry], at: int) -> int | None:
    """Which photo is shown, and a way to the ones before and after; returns the place of one to compare it with."""
    entry = every[at]
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, icon, to in (("Previous", "chevron_left", at - 1), ("Next", "chevron_right", at + 1)):
            there = 0 <= to < len(every)
            target = (every[to if there else at].id,)
            st.button(name, icon=f":material/{icon}:", disabled=not there, on_click=session.show, args=target)
        name = words.plain(words.shortened(entry.outcome.photo.name))
        st.markdown(f"**{entry.number} of {len(every)}** · {name}", width="content")
        st.space("stretch")
        names = {each.id: f"{each.number} · {each.outcome.photo.name}" for each in every}
        chosen: str | None = st.selectbox(
            "Compare with another photo",
            [each.id for each in every if each is not entry],
            format_func=names.__getitem__,
            index=None,
            placeholder="Compare with …",
            key="compared",
            persist_state="session",
            label_visibility="collapsed",
            width=240,
        )
    return next((place for place, each in enumerate(every) if each.id == chosen), None)


def choose(every: Sequence[Entry], shown: str) -> None:
    """The gallery of all photos, filtered and sorted as the person likes, and the same as a table."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        kinds, order = _filter(every), _order()
    wanted = [entry for entry in every if not kinds or any(entry.kinds[kind] for kind in kinds)]
    wanted.sort(key=ORDERS[order])
    if wanted:
        gallery.show([_tile(entry) for entry in wanted], shown, session.show)
    else:
        st.info("None of the photos is of this kind.", icon=":material/filter_alt:")
    with st.expander("As a table", icon=":material/table:"):
        rows = [
            {
                "photo": entry.number,
                "file": entry.outcome.photo.name,
                "faces": len(entry.outcome.faces),
                "expressions": _said(entry),
            }
            for entry in wanted
        ]
        st.dataframe(rows, hide_index=True, alt="File, number of faces and expressions of each photo")


def _filter(every: Sequence[Entry]) -> list[str]:
    total = _total(every)
    there = [kind for kind in KINDS if total[kind]]
    if len(there) == 1:
        return []
    chosen: list[str] = st.pills(
        "Only photos with",
        there,
        format_func=lambda kind: f"{kind} · {sum(1 for entry in every if entry.kinds[kind])}",
        selection_mode="multi",
        key="only",
        persist_state="session",
        help="The number counts photos.",
    )
    return chosen


ORDERS: dict[str, Callable[[Entry], tuple[object, ...]]] = {
    "As they came": lambda entry: (entry.number,),
    "By name": lambda entry: (entry.outcome.photo.name.casefold(), entry.number),
    "Most faces first": lambda entry: (-len(entry.outcome.faces), entry.number),
    "Least sure first": lambda entry: (entry.surest, entry.number),
}


def _order() -> str:
    order: str = st.selectbox("Order", list(ORDERS), key="order", width=220, persist_state="session")
    return order


def _total(every: Sequence[Entry]) -> Counter[str]:
    total: Counter[str] = Counter()
    for entry in every:
        total.update(entry.kinds)
    return total


def _tile(entry: Entry) -> gallery.Tile:
    badges = [
        gallery.Badge(kind if count == 1 else f"{count} {kind}", _css(kind))
        for kind, count in sorted(entry.kinds.items(), key=lambda pair: (-pair[1], KINDS.index(pair[0])))
    ]
    return gallery.Tile(entry.id, entry.number, entry.outcome.photo.name, entry.outcome.photo.thumbnail, badges)


def _said(entry: Entry) -> str:
    if isinstance(entry.outcome.answer, ServiceError):
        return f"not read: {words.of_error(entry.outcome.answer)}"
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in entry.kinds.most_common())


def _bar(counts: Sequence[tuple[str, int]]) -> str:
    """All faces by what they show: a stacked bar with its numbers below it."""
    whole = sum(count for _, count in counts)
    parts = "".join(
        f"<span style='flex:{count};background:{_css(kind)};min-width:3px'></span>" for kind, count in counts
    )
    legend = "".join(
        "<span style='white-space:nowrap'><span style='display:inline-block;width:.65rem;height:.65rem;"
        f"border-radius:50%;margin-right:.35rem;background:{_css(kind)}'></span>{escape(kind)} {count}</span>"
        for kind, count in counts
    )
    spoken = ", ".join(f"{kind} {count} of {whole}" for kind, count in counts)
    return (
        f"<div role='img' aria-label='All faces: {escape(spoken)}'>"
        f"<div style='display:flex;gap:2px;height:.75rem;border-radius:.35rem;overflow:hidden'>{parts}</div>"
        f"<div style='display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin-top:.35rem;font-size:.875rem'>{legend}</div>"
        "</div>"
    )


def _css(kind: str) -> str:
    return css(COLOURS.get(kind, GREY))
