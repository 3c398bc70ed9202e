"""A photo that a person gave, as the page's server holds it: in memory, beside those of all other people."""

import threading
import weakref
from dataclasses import replace

from client.photos import Photo, prepare

MOST_OWN = 150_000_000
"""Bytes of all people's own files that are kept where something smaller was sent. They are needed for annotated
pictures at their own size alone; once they are this many, further photos are kept as they were sent."""

MOST_HELD = 500_000_000
"""Bytes of all people's photos together."""

_lock = threading.Lock()
_all: "weakref.WeakSet[Given]" = weakref.WeakSet()

AT_ONCE = 2
"""Photos that are decoded at a time: each takes ten to thirty times its file meanwhile."""

_turns = threading.BoundedSemaphore(AT_ONCE)


def held() -> int:
    """Bytes of all photos that people gave and have not removed."""
    with _lock:
        return sum(each.size for each in _all)


class Given:
    """A photo's file as the person gave it, and once it was asked for the `Photo` made of it; threads may share it."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._data = data
        self._photo: Photo | None = None
        self._own = 0
        self._made = threading.Lock()
        with _lock:
            _all.add(self)

    @property
    def data(self) -> bytes:
        """The file, until the `Photo` is made of it."""
        return self._data

    @property
    def size(self) -> int:
        """Bytes that are held of it."""
        return len(self._data) if self._photo is None else len(self._photo.data) + self._own

    def rename(self, name: str) -> None:
        """Call it so."""
        with self._made:
            self.name = name
            if self._photo is not None:
                self._photo = replace(self._photo, name=name)

    def photo(self) -> Photo:
        """It, ready to send."""
        with self._made:
            if self._photo is None:
                with _turns:
                    photo = prepare(self.name, self._data)
                own = len(photo.original) if photo.original is not photo.data else 0
                with _lock:
                    if sum(each._own for each in _all) + own > MOST_OWN:
                        photo, own = replace(photo, original=b""), 0
                    self._photo, self._own, self._data = photo, own, b""
            return self._photo
