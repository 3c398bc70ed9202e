"""Train the variants of `ablation.toml` and write what each is worth into `ABLATION.md`.

    python -m training.ablation --data fer2013.csv.gz

Variants that are done are not trained again; each row of the table is a command that also works by hand.
"""

import argparse
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from emotion.artifact import load_artifact
from training.data import Split, load_fingerprints, load_splits
from training.evaluate import evaluate

PLAN = Path(__file__).with_name("ablation.toml")
TABLE = Path(__file__).with_name("ABLATION.md")
BASE_RECIPE = "vgg-small"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "ablation")
    arguments = parser.parse_args()
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    validation = load_splits(arguments.data, ("validation",))["validation"]
    rows = []
    for title, changes in plan["rows"].items():
        out = arguments.runs / title.replace(" ", "-").replace(",", "")
        options = command([*plan["base"], *changes])
        if not (out / "emotion.pt").exists():
            train = [sys.executable, "-m", "training.train", "--data", str(arguments.data), "--out", str(out), *options]
            subprocess.run(train, check=True)
        rows.append((title, options, report_on(out, validation)))
        TABLE.write_text(table(rows), encoding="utf-8")  # after every row: the next one takes minutes
    print(table(rows))


def command(changes: list[str]) -> list[str]:
    """The options of `training.train` for one row."""
    return ["--recipe", BASE_RECIPE, *(part for change in changes for part in ("--set", change))]


def report_on(run: Path, validation: Split) -> dict[str, Any]:
    """The evaluation of a finished run."""
    return evaluate(load_artifact(run / "emotion.pt"), validation, load_fingerprints(run / "fingerprints.npy"))


def table(rows: list[tuple[str, list[str], dict[str, Any]]]) -> str:
    """The table in Markdown; options that all rows share are named once."""
    shared = rows[0][1]
    lines = [
        "# What each part of the recipe is worth",
        "",
        "Written by `python -m training.ablation --data fer2013.csv.gz` from `ablation.toml`; PublicTest, one view a",
        "face, 95 % bootstrap intervals. Short runs of a narrow network: read directions, not scores. Every row is",
        "",
        f"    python -m training.train --data fer2013.csv.gz {shlex.join(shared)} …",
        "",
        "| variant | … | accuracy | interval | macro-F1 | without duplicates |",
        "|---|---|---|---|---|---|",
    ]
    for title, options, report in rows:
        low, high = report["accuracy_interval"]
        fresh = report.get("deduplicated", report)
        lines.append(
            f"| {title} | `{shlex.join(options[len(shared) :])}` | {report['accuracy']:.2%} | {low:.2%} to {high:.2%} "
            f"| {report['macro_f1']:.3f} | {fresh['accuracy']:.2%} |"
        )
    return "\n".join(lines).replace("| `` |", "| |") + "\n"


if __name__ == "__main__":
    main()
