"""Analyse an archive of photographs of any size.

    python -m bulk photos/ --out results/
    python -m bulk 's3://archive/2024/*.jpg' --out s3://archive-results/2024 --report summary.html
    python -m bulk manifest.parquet --out results/ --address auto

SOURCE is a folder, a glob or a manifest (CSV or Parquet with a column `photo`), on disk or at s3://, gs:// or az://.
RESULTS holds Parquet files: a row a face, or a row that says why a photo has none. Started again, the same command does
only what is not there yet. Exit status: 0 when every photo was analysed, 1 when some have errors, 2 when it could not
run.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from bulk import engine, summary
from bulk.plan import Part, Refused, Results, Run, parts, size_for
from bulk.source import photos
from emotion.classifier import OnnxClassifier
from emotion.contract import DETAILS, STANDARD
from emotion.pipeline import MODELS, NETWORK


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
    models = arguments.models.absolute() if arguments.models else None
    version = OnnxClassifier((models or MODELS) / NETWORK).version
    results = Results(arguments.out)
    before = results.run()
    # Counting comes first: the size of a part depends on it, and later the time that is left.
    total = sum(1 for _ in photos(arguments.source))
    size = before.photos_per_part if before else size_for(total, engine.connect(arguments.address))
    going = results.begin(Run(version, arguments.detail, size), arguments.another_model)
    left = list(parts(photos(arguments.source), results, going.photos_per_part, arguments.retry_errors))
    if left:
        _work(left, total, results, arguments, str(models) if models else None)
    counted = summary.count(results)
    print(summary.text(counted))
    if arguments.report:
        arguments.report.write_text(summary.page(counted, arguments.source), encoding="utf-8")
    return 1 if counted.failed else 0


def _work(left: list[Part], total: int, results: Results, arguments: argparse.Namespace, models: str | None) -> None:
    cores = engine.connect(arguments.address)
    new = sum(len(part.photos) for part in left)
    faces = 0
    with tqdm(total=total, initial=total - new, unit=" photos", disable=None, smoothing=0.05) as progress:
        for done in engine.analyse(left, results.uri, arguments.detail, models, cores):
            faces += done["faces"]
            elapsed = progress.format_dict["elapsed"] or 1.0
            progress.set_postfix_str(f"{faces / elapsed:.1f} faces/s", refresh=False)
            progress.update(done["photos"])


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
    parser.add_argument("--report", type=Path, metavar="HTML", help="also write a page of charts")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="model files, if not those of the package")
    return parser.parse_args()


if __name__ == "__main__":
    main()
