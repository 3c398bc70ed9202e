"""The report of `training.audit` for people, in Markdown."""

import json
from pathlib import Path
from typing import Any

from emotion.labels import LABELS


def write(report: dict[str, Any], path: Path) -> None:
    """The report as JSON, one way to group a line, and beside it in Markdown."""
    lines = json.dumps(report, ensure_ascii=False).replace('{"way"', '\n{"way"')
    path.write_text(lines + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(table(report), encoding="utf-8")


def table(report: dict[str, Any]) -> str:
    """The whole report: the gaps of each way to group, then every group's scores with their 95 % intervals."""
    scores = ("accuracy", "false angry", "overconfidence")
    single = [way for way in report["ways"] if " × " not in way["way"]]
    cuts = "; ".join(f"{name} {low:g} and {high:g}" for name, (low, high) in report["cuts"].items())
    return f"""\
# Audit of {report["model"]} on {report["data"]}

Written by `python -m training.audit`: {report["count"]:,} faces; groups of fewer than {report["fewest"]} are not scored
(–). "False angry" is the share of the faces with another label that are called angry; over-confidence is mean
confidence less accuracy, in points. In brackets: 95 % intervals, each for itself; `*`: too different to be chance.

{found(report)}
{f"{chr(10)}Thirds part at: {cuts}.{chr(10)}" if cuts else ""}
## Largest gaps

{gaps(report)}

## Recall

{_groups(single, tuple(f"recall {label}" for label in LABELS))}

## Groups and where they meet

{_groups(report["ways"], scores)}
"""


def found(report: dict[str, Any]) -> str:
    """Which differences the tests found, in words."""
    differ = [
        f"{question} ({way['way']} {group['group']})"
        for way in report["ways"]
        for group in way["groups"]
        for question, cell in group["scores"].items()
        if cell["differs"]
    ]
    return (
        f"Each group was compared with all other faces: {len(differ)} of {report['tests']} differences are too large "
        f"for chance, all tested together at {report['level']:.0%} (Holm){': ' if differ else ''}{'; '.join(differ)}."
    )


def gaps(report: dict[str, Any], *, crossed: bool = True) -> str:
    """The table of gaps in points, with the worst group of each; `crossed`: where two ways to group meet, too."""
    ways = [way for way in report["ways"] if crossed or " × " not in way["way"]]
    rows = []
    for way in ways:
        of = way["gaps"]
        recalls = {name: gap for name, gap in of.items() if name.startswith("recall ")}
        widest = max(recalls, key=lambda name: float(recalls[name]["gap"]), default="")
        label = f", {widest.removeprefix('recall ')}" if widest else ""
        cells = [_gap(of.get("accuracy")), _gap(recalls.get(widest), label)]
        cells += [_gap(of.get("false angry")), _gap(of.get("overconfidence"))]
        rows.append([way["way"], *cells, f"{way['unknown'] + way['left_out']['faces']:,}"])
    head = ["grouped by", "accuracy", "recall, widest", "false angry", "over-confidence", "faces left out"]
    return markdown(head, rows)


def _gap(gap: dict[str, Any] | None, what: str = "") -> str:
    return f"{100 * gap['gap']:.1f} ({gap['worst']}{what})" if gap else "–"


def _groups(ways: list[dict[str, Any]], scores: tuple[str, ...]) -> str:
    head = ["grouped by", "group", "faces", *(name.removeprefix("recall ") for name in scores)]
    return markdown(
        head,
        [
            [way["way"], group["group"], f"{group['count']:,}", *(_cell(group["scores"].get(name)) for name in scores)]
            for way in ways
            for group in way["groups"]
        ],
    )


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "–"
    low, high = (100 * bound for bound in cell["interval"])
    return f"{100 * cell['value']:.1f} ({low:.1f} to {high:.1f}){' *' if cell['differs'] else ''}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
