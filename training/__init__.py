"""Training, calibration and evaluation of the emotion network; a command line, never imported when serving."""

import sys
from pathlib import Path

# `handler/` is the archive's root, so the package `emotion` lies in it: what is served is what is trained with.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "handler"))
