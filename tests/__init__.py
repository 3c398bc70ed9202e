"""The test suite; importing `training` puts `handler/`, where the package `emotion` lies, on the path."""

import training  # noqa: F401
