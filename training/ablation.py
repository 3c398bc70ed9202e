"""Train the variants of `ablation.toml` and write what each is worth into `ABLATION.md`, next to the whole recipes.

    python -m training.ablation --data fer2013.csv.gz

Variants that are done are not trained again; of the recipes those are listed that were trained. Each row is a command
that also works by hand.
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
from training.train import RECIPES

PLAN = Path(__file__).with_name("ablation.toml")
TABLE = Path(__file__).with_name("ABLATION.md")
BASE_RECIPE = "vgg-small"

SCORES = "accuracy | interval | macro-F1 | without duplicates"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "ablation")
    arguments = parser.parse_args()
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    validation = load_splits(arguments.data, ("validation",))["validation"]
    recipes = sorted(path.stem for path in RECIPES.glob("*.toml"))
    finished = {name: arguments.runs.parent / name for name in recipes}
    whole = {name: report_on(run, validation) for name, run in finished.items() if (run / "emotion.pt").exists()}
    rows = []
    for title, changes in plan["rows"].items():
        out = arguments.runs / title.replace(" ", "-").replace(",", "")
        options = command([*plan["base"], *changes])
        if not (out / "emotion.pt").exists():
            train = [sys.executable, "-m", "training.train", "--data", str(arguments.data), "--out", str(out), *options]
            subprocess.run(train, check=True)
        rows.append((title, options, report_on(out, validation)))
        TABLE.write_text(tables(rows, whole), encoding="utf-8")  # after every row: the next one takes minutes
    print(tables(rows, whole))


def command(changes: list[str]) -> list[str]:
    """The options of `training.train` for one row."""
    return ["--recipe", BASE_RECIPE, *(part for change in changes for part in ("--set", change))]


def report_on(run: Path, validation: Split) -> dict[str, Any]:
    """The evaluation of a finished run."""
    return evaluate(load_artifact(run / "emotion.pt"), validation, load_fingerprints(run / "fingerprints.npy"))


def tables(rows: list[tuple[str, list[str], dict[str, Any]]], whole: dict[str, dict[str, Any]]) -> str:
    """Both tables in Markdown, of the variants and of the recipes; options that all variants share are named once."""
    shared = rows[0][1]
    command = "python -m training.train --data fer2013.csv.gz"
    variants = [
        f"| {title} | `{shlex.join(options[len(shared) :])}` | {scores(report)}" for title, options, report in rows
    ]
    recipes = [f"| `--recipe {name}` | {scores(report)}" for name, report in whole.items()]
    return f"""\
# What each part of the recipe is worth

Written by `python -m training.ablation --data fer2013.csv.gz`; PublicTest, one view a face, in fp32, 95 % bootstrap
intervals.

## Whole recipes

Every row is `{command} …`. Where a run differed from its recipe of today, the README says it.

| … | {SCORES} |
|---|---|---|---|---|
{chr(10).join(recipes)}

## Variants of one

From `ablation.toml`. Short runs of a narrow network: read directions, not scores. Every row is

    {command} --out runs/ablation/variant {shlex.join(shared)} …

| variant | … | {SCORES} |
|---|---|---|---|---|---|
{chr(10).join(variants)}
""".replace("| `` |", "| |")


def scores(report: dict[str, Any]) -> str:
    """The cells of `SCORES`."""
    low, high = report["accuracy_interval"]
    fresh = report.get("deduplicated", report)
    return f"{report['accuracy']:.2%} | {low:.2%} to {high:.2%} | {report['macro_f1']:.3f} | {fresh['accuracy']:.2%} |"


if __name__ == "__main__":
    main()
