"""Builds the container images of `Dockerfile` with the container tool that is installed."""
