"""Builds the container images of `Dockerfile` with whichever engine is at hand."""
