"""Benchmarks; performance claims live here, not in timed tests.

Importing `training` puts `handler/`, where the package `emotion` lies, on the path.
"""

import training  # noqa: F401
