"""What an archive holds, counted from its Parquet files: in words, and as one page of charts."""

import html
from collections import Counter
from dataclasses import dataclass, field

from pyarrow import dataset

from bulk.results import Results
from bulk.rows import NO_FACE, OK
from emotion.labels import COLOURS, css

SOME_FAILED = 3
"""Exit status of a run that analysed all it could; 1 and 2 are what Python and its command lines fail with."""


@dataclass
class Counts:
    """Photos by outcome, faces by emotion, faces that are not reliable by reason."""

    outcomes: Counter[str] = field(default_factory=Counter)
    emotions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def photos(self) -> int:
        return self.outcomes.total()

    @property
    def failed(self) -> int:
        return self.photos - self.outcomes[OK] - self.outcomes[NO_FACE]


def count(results: Results) -> Counts:
    """Reads the files a batch at a time, and only the columns that are needed."""
    counts = Counts()
    files = [results.file(part) for part in sorted(results.parts())]
    if not files:
        return counts
    found = dataset.dataset(files, format="parquet", filesystem=results.system)
    for batch in found.to_batches(columns=["outcome", "face", "emotion", "reasons"], batch_readahead=2):
        for row in batch.to_pylist():
            if row["face"] in {None, 1}:
                counts.outcomes[row["outcome"]] += 1
            if row["emotion"]:
                counts.emotions[row["emotion"]] += 1
                counts.reasons.update(row["reasons"])
    return counts


def speed(photos: int, faces: int, seconds: float, starting: float) -> str:
    """One line about a run: `seconds` from its first photo on, after `starting` seconds in which there was none."""
    rates = f"{photos / seconds:,.1f} photos and {faces / seconds:,.1f} faces a second"
    return f"{photos:,} photos in {seconds:,.1f} s, {rates}; started in {starting:.1f} s"


def text(counts: Counts) -> str:
    """A few lines for a terminal."""
    lines = [f"{counts.photos:,} photos, {counts.emotions.total():,} faces"]
    lines += [f"  {name:20} {number:>12,}" for name, number in counts.outcomes.most_common()]
    if counts.emotions:
        lines += ["faces by emotion"]
        faces = counts.emotions.total()
        lines += [f"  {name:20} {number:>12,}  {number / faces:4.0%}" for name, number in counts.emotions.most_common()]
    if counts.failed:
        lines += [f"{counts.failed:,} photos could not be analysed; --retry-errors tries them again"]
    return "\n".join(lines)


def page(counts: Counts, source: str) -> str:
    """One page of HTML that loads nothing from elsewhere."""
    colours = {emotion: css(rgb) for emotion, rgb in COLOURS.items()}
    charts = "".join(
        (
            _bars("Photos by outcome", counts.outcomes, counts.photos, {}),
            _bars("Faces by emotion", counts.emotions, counts.emotions.total(), colours),
            _bars("Why faces are not reliable, in shares of all faces", counts.reasons, counts.emotions.total(), {}),
        )
    )
    return PAGE.format(
        source=html.escape(source),
        photos=counts.photos,
        faces=counts.emotions.total(),
        failed=counts.failed,
        charts=charts,
    )


def _bars(title: str, counted: Counter[str], whole: int, colours: dict[str, str]) -> str:
    if not counted:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name.replace("_", " "))}</th><td class="bar">'
        f'<div style="width:{100 * number / whole:.1f}%;background:{colours.get(name, GREY)}"></div></td>'
        f"<td>{number:,}</td><td>{number / whole:.1%}</td></tr>"
        for name, number in counted.most_common()
    )
    return f"<section><h2>{title}</h2><table>{rows}</table></section>"


GREY = "#64748b"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Archive: {photos:,} photos</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 46rem; margin: 3rem auto; padding: 0 1rem }}
h1 {{ line-height: 1.2 }} h2 {{ font-size: 1.1rem; margin-top: 2.5rem }}
table {{ width: 100%; border-collapse: collapse; table-layout: fixed }}
th, td {{ padding: .2rem .5rem .2rem 0 }} th {{ width: 11rem; text-align: left; font-weight: normal }}
td {{ width: 6rem; text-align: right; font-variant-numeric: tabular-nums }} td:last-child {{ width: 3.5rem }}
td.bar {{ width: auto }} .bar div {{ height: 1.1rem; border-radius: 3px; min-width: 2px }}
@media (max-width: 32rem) {{ table {{ font-size: .85rem }} th {{ width: 6.5rem }} td {{ width: 4.5rem }} }}
</style></head><body>
<h1>{photos:,} photos, {faces:,} faces</h1>
<p>{source}; {failed:,} photos could not be analysed.</p>
<p>An expression is not a feeling: what a person feels cannot be read from it.</p>
{charts}</body></html>
"""
