"""A video that is analysed behind the page: the page is drawn anew meanwhile, and may be left and come back to."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

from PIL import Image

from client import frames, metrics, session
from client.api import Answer, EmotionClient, ServiceError
from client.frames import Picture, VideoError
from client.results import UNCERTAIN, shown_emotion
from client.tracking import Followed
from client.video import Moment, analyse_video
from emotion.contract import Detail

MOST_AT_ONCE = 2
"""Videos of all people that are analysed at a time; photos and cameras need the service too."""

THUMBNAIL = 112
"""Pixels of a side."""

MOST_HELD = 600_000_000
"""Bytes of all people's videos together: they lie in the memory of the page's server."""

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)
_all: "weakref.WeakSet[Watched]" = weakref.WeakSet()


def has_room(size: int) -> bool:
    """Whether a video of `size` bytes can be taken now."""
    return sum(len(each.data) for each in _all) + size <= MOST_HELD


class Cancelled(Exception):
    """Before it was this video's turn."""


class Watched:
    """A video of one session, and what is known of it so far; its own thread writes, the page reads.

    `ended`: nothing more will come, because all is known, it was cancelled, or `error` says why not.
    """

    def __init__(self, name: str, data: bytes, rate: int, owner: str) -> None:
        """`rate`: pictures a second; `owner`: Streamlit's id of the session, with which the work ends."""
        self.name, self.data, self.rate = name, data, rate
        self.length: float | None = None
        self.moments: list[Moment] = []
        self.strongest: dict[str, Strong] = {}
        self.error: VideoError | ServiceError | None = None
        self.waits, self.ended = True, False
        self._shown: tuple[Moment, Picture] | None = None
        self._owner = owner
        self._cancelled = threading.Event()
        _all.add(self)

    def start(self, client: EmotionClient, concurrency: int, detail: Detail) -> None:
        """Begin, as soon as it is this video's turn."""
        threading.Thread(target=self._work, args=(client, concurrency, detail), daemon=True).start()

    def cancel(self) -> None:
        """No further picture is sent; what is known stays."""
        self._cancelled.set()

    def put_away(self) -> None:
        """Cancel, and hold nothing of it any longer, whoever in Streamlit still holds this."""
        self.cancel()
        self.data, self._shown = b"", None

    @property
    def done(self) -> float:
        """Share of the video that is analysed, as far as its length is known."""
        if not self.moments or not self.length:
            return 0.0
        return min(self.moments[-1].at / self.length, 1.0)

    def picture(self, moment: Moment) -> Picture:
        """The picture of a moment, decoded again: all of them would fill the memory. Raises `VideoError`."""
        if self._shown is None or self._shown[0] is not moment:  # the page asks anew each second
            self._shown = moment, frames.picture_at(self.data, moment.at)
        return self._shown[1]

    def _work(self, client: EmotionClient, concurrency: int, detail: Detail) -> None:
        try:
            with self._turn(), metrics.VIDEOS.track_inprogress():
                self.length = frames.length(self.data)
                wanted = takewhile(lambda _: self._is_wanted(), frames.pictures(self.data, self.rate))
                for picture, moment in analyse_video(client, wanted, concurrency, detail):
                    metrics.record(moment.answer)
                    self._keep(picture, moment)
        except (VideoError, ServiceError) as error:
            self.error = error
        except Cancelled:
            pass
        finally:
            self.ended = True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        while not _turns.acquire(timeout=1):
            if not self._is_wanted():
                raise Cancelled
        self.waits = False
        try:
            yield
        finally:
            _turns.release()

    def _is_wanted(self) -> bool:
        return not self._cancelled.is_set() and session.lives(self._owner)

    def _keep(self, picture: Picture, moment: Moment) -> None:
        for each in moment.followed:
            emotion = shown_emotion(each.face, 0)
            before = self.strongest.get(emotion)
            if emotion != UNCERTAIN and (before is None or each.face.confidence > before.confidence):
                self.strongest[emotion] = Strong(picture, moment, each)
        self.moments.append(moment)


class Strong:
    """The strongest moment of an emotion: when, whose, how sure, and a small picture of the face."""

    def __init__(self, picture: Picture, moment: Moment, followed: Followed) -> None:
        self.at, self.person, self.confidence = moment.at, followed.person, followed.face.confidence
        box = followed.face.box
        half = max(box.width, box.height) * 0.65
        x, y = box.x + box.width / 2, box.y + box.height / 2
        square = picture.image.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
        self.thumbnail = square.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)


def counts(moments: list[Moment]) -> tuple[int, int, int]:
    """How many pictures were analysed, how many people seen in them, and how many pictures were not answered."""
    people = {each.person for moment in moments for each in moment.followed}
    return len(moments), len(people), sum(not isinstance(moment.answer, Answer) for moment in moments)
