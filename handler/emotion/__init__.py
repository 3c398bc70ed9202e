"""Faces in a photo and the emotion each one shows: decode, detect, align, classify.

The package knows nothing of TorchServe, HTTP or the user's disk; training imports it so that what is learned
and what is served share one preprocessing.
"""
