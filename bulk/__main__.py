"""Analyse an archive of photographs of any size.

    python -m bulk photos/ --out results/
    python -m bulk 's3://archive/2024/*.jpg' --out s3://archive-results/2024 --report summary.html
    python -m bulk manifest.parquet --out results/ --address auto

SOURCE is a folder, a glob or a manifest (CSV or Parquet with a column `photo`), on disk or at s3://, gs:// or az://.
RESULTS holds Parquet files: a row a face, or a row that says why a photo has none. Started again, the same command does
only what is not there yet. Exit status: 0 when every photo was analysed, 3 when some have errors, another when it
could not run.
"""

import argparse
import io
import math
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bulk import engine, summary
from bulk.plan import Plan, Survey, size_for
from bulk.results import Refused, Results, Run
from bulk.storage import put
from emotion.contract import DETAILS, STANDARD


def main() -> None:
    arguments = _arguments()
    try:
        sys.exit(run(arguments))
    except (OSError, ValueError, Refused) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        sys.exit(130)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks; returns the exit status."""
    started = time.monotonic()
    models = arguments.models.absolute() if arguments.models else None
    with ProcessPoolExecutor(1, get_context("fork")) as aside:  # which takes what it loads with it when it ends
        version = aside.submit(_version, models).result()
    results = Results(arguments.out)
    before = results.run()
    # The size of a part depends on how many cores there are, until there are parts of a size.
    size = before.photos_per_part if before else size_for(arguments.source, engine.connect(arguments.address))
    size = results.begin(Run(version, arguments.detail, size), arguments.another_model).photos_per_part
    plan = Plan(arguments.source, results.uri, size, arguments.retry_errors)
    survey = _later(plan.survey)
    if before:
        plan = replace(plan, others=survey.result().others)
    if not before or survey.result().left or plan.retry_errors:
        _work(plan, survey, arguments, str(models) if models else None, started)
    counted = summary.count(results)
    print(summary.text(counted))
    if arguments.report:
        page = summary.page(counted, arguments.source)
        put(arguments.report, page.encode())
    return summary.SOME_FAILED if counted.failed else 0


def _version(models: Path | None) -> str:
    from emotion.classifier import OnnxClassifier  # noqa: PLC0415
    from emotion.pipeline import MODELS, NETWORK  # noqa: PLC0415

    return str(OnnxClassifier((models or MODELS) / NETWORK).version)


def _work(
    plan: Plan, survey: "Future[Survey]", arguments: argparse.Namespace, models: str | None, started: float
) -> None:
    cores = engine.connect(arguments.address)
    photos = faces = 0
    began, ended = math.inf, started
    done_before = survey.result().photos - survey.result().left if survey.done() else 0
    with tqdm(unit=" photos", initial=done_before, smoothing=0.05, **_terminal_or_log()) as progress:
        for done in engine.analyse(plan, arguments.detail, models, cores, growing=arguments.address is not None):
            ended = time.monotonic()
            began = min(began, ended - done["seconds"])
            photos, faces = photos + done["photos"], faces + done["faces"]
            if survey.done():  # a retried photo is done once more
                progress.total = max(survey.result().photos, progress.n + done["photos"])
            progress.set_postfix_str(f"{faces / (ended - began):.1f} faces/s", refresh=False)
            progress.update(done["photos"])
    if photos:
        print(summary.speed(photos, faces, ended - began, began - started))


def _terminal_or_log() -> dict[str, Any]:
    """A line that changes for a person; for a log, one every half minute that stays."""
    return {} if sys.stderr.isatty() else {"file": _Lines(), "mininterval": 30.0, "ncols": 120}


class _Lines(io.StringIO):
    """Ends each state of a progress bar with a new line, where it would begin by going back to the line's start."""

    def write(self, text: str) -> int:
        line = text.strip()
        return sys.stderr.write(f"{line}\n") if line else 0

    def flush(self) -> None:
        sys.stderr.flush()


def _later(survey: Callable[[], Survey]) -> "Future[Survey]":
    """The survey, under way in a thread that no exit waits for."""
    future: Future[Survey] = Future()

    def work() -> None:
        try:
            future.set_result(survey())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def _arguments() -> argparse.Namespace:
    lines = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(
        prog="python -m bulk",
        description=lines[0],
        epilog="\n".join(lines[2:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--out", required=True, metavar="RESULTS", help="folder or URI of the Parquet files")
    parser.add_argument(
        "--address", help="of a Ray cluster (auto: the one of this machine); without it, Ray starts here"
    )
    parser.add_argument("--detail", choices=DETAILS, default=STANDARD, help="how closely to look for faces")
    parser.add_argument("--retry-errors", action="store_true", help="analyse photos that have an error again")
    parser.add_argument(
        "--another-model", action="store_true", help="go on although RESULTS is of another model version"
    )
    parser.add_argument("--report", metavar="HTML", help="also write a page of charts, to this file or URI")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="model files, if not those of the package")
    return parser.parse_args()


if __name__ == "__main__":
    main()
