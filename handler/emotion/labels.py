"""The seven classes, in the order of the ids that FER-2013 uses."""

LABELS: tuple[str, ...] = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")
