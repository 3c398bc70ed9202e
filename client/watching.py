"""A video that is analysed behind the page: the page is drawn anew meanwhile, and may be left and come back to."""

import logging
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from client import frames, metrics, session
from client.api import Answer, EmotionClient, ServiceError
from client.frames import Picture, VideoError
from client.results import UNCERTAIN, shown_emotion
from client.tracking import Followed, Tracker
from client.video import SMOOTHING, Moment, analyse_video
from emotion.contract import Detail

MOST_AT_ONCE = 2
"""Videos of all people that are analysed at a time; photos and cameras need the service too."""

THUMBNAIL = 112
"""Pixels of a side."""

MOST_HELD = 600_000_000
"""Bytes of all people's videos together: they lie in the memory of the page's server."""

logger = logging.getLogger(__name__)

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)
_lock = threading.Lock()
_all: "weakref.WeakSet[Watched]" = weakref.WeakSet()


def take(name: str, data: bytes, rate: int, detail: Detail, owner: str) -> "Watched | None":
    """A video to watch, or None where there is no room for it; the arguments are those of `Watched`."""
    with _lock:
        if sum(len(each.data) for each in _all) + len(data) > MOST_HELD:
            return None
        watched = Watched(name, data, rate, detail, owner)
        _all.add(watched)
        return watched


class Cancelled(Exception):
    """Before it was this video's turn."""


class Watched:
    """A video of one session, and what is known of it so far; its own thread writes, the page reads.

    `done`: share of the video that is analysed; `ended`: nothing more will come, because all is known, it was
    cancelled, or `error` says why not.
    """

    def __init__(self, name: str, data: bytes, rate: int, detail: Detail, owner: str) -> None:
        """`rate`: pictures a second; `owner`: Streamlit's id of the session, with which the work ends."""
        self.name, self.data, self.rate = name, data, rate
        self.length: float | None = None
        self.done = 0.0
        self.moments: list[Moment] = []
        self.strongest: dict[str, Strong] = {}
        self.error: VideoError | ServiceError | None = None
        self.waits = True
        self._ended = threading.Event()
        self._shown: tuple[Moment, Picture] | None = None
        self._detail, self._owner = detail, owner
        self._tracker = Tracker(SMOOTHING)
        self._cancelled, self._put_away = threading.Event(), False

    def start(self, client: EmotionClient, concurrency: int) -> None:
        """Begin, or go on behind the last moment, as soon as it is this video's turn."""
        self.waits, self.error = True, None
        self._ended.clear()
        threading.Thread(target=self._work, args=(client, concurrency), daemon=True).start()

    def cancel(self) -> None:
        """No further picture is sent; what is known stays."""
        self._cancelled.set()

    def put_away(self) -> None:
        """Cancel, and hold nothing of it any longer than its own thread does, whoever in Streamlit still holds this."""
        self.cancel()
        with _lock:
            self._put_away = True
            if self.ended:
                self._let_go()

    def _let_go(self) -> None:
        self.data, self._shown = b"", None

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        return self._ended.wait(seconds)

    @property
    def may_go_on(self) -> bool:
        """Whether it ended because of what may have passed by now."""
        return self.ended and isinstance(self.error, ServiceError) and self.error.passes

    @property
    def expected(self) -> int:
        """How many moments there will be, as far as can be said; it is seldom another number while there are more."""
        known = len(self.moments)
        if self.ended:
            return known
        expected = round((self.length or 0) * self.rate)
        return expected if expected >= known else 2 ** known.bit_length()

    def picture(self, moment: Moment) -> Picture:
        """The picture of a moment, decoded again: all of them would fill the memory. Raises `VideoError`."""
        if self._shown is None or self._shown[0] is not moment:  # the page asks anew each second
            self._shown = moment, frames.picture_at(self.data, moment.at)
        return self._shown[1]

    def _work(self, client: EmotionClient, concurrency: int) -> None:
        try:
            with self._turn(), metrics.VIDEOS.track_inprogress():
                self.length = frames.length(self.data)
                after = self.moments[-1].at if self.moments else None
                pictures = frames.pictures(self.data, self.rate, after=after, wanted=self._is_wanted)
                for picture, moment in analyse_video(client, pictures, concurrency, self._detail, self._tracker):
                    metrics.record(moment.answer)
                    self._keep(picture, moment)
        except (VideoError, ServiceError) as error:
            self.error = error
        except Cancelled:
            pass
        except Exception as error:
            # Its message may hold something of the video.
            logger.error("a video could not be analysed to its end: %s", type(error).__name__)
            self.error = VideoError(f"the page failed at this video ({type(error).__name__})")
        finally:
            with _lock:
                if self._put_away:
                    self._let_go()
                self._ended.set()

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
        self.done = min(moment.at / self.length, 1.0) if self.length else picture.read


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
