"""Pictures out of video files, good and bad, without any file."""

import contextlib
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client import frames
from client.frames import Bounds, Picture, VideoError, length, picture_at, pictures
from tests.conftest import ROOT
from tests.unit.clips import clip, head_first, noise, shown, song_with_cover, sound, still, turned, with_tracks

COLOURS = [(still("red"), 1.0), (still("lime"), 1.0), (still("blue"), 1.0)]


def main_colour(image: Image.Image) -> str:
    """Whether red, green or blue is strongest in the middle."""
    values = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(values, tuple)
    return "rgb"[values.index(max(values))]


def seen(found: list[Picture]) -> str:
    return "".join(main_colour(picture.image) for picture in found)


@pytest.mark.parametrize("kind", frames.MEDIA_TYPES)
def test_stills_come_in_their_order_with_their_times(kind: str) -> None:
    found = list(pictures(clip(shown(COLOURS), kind), rate=2))
    assert [picture.at for picture in found] == pytest.approx([0, 0.5, 1.0, 1.5, 2.0, 2.5], abs=0.002)
    assert seen(found) == "rrggbb"
    assert {picture.image.size for picture in found} == {(64, 48)}


@pytest.mark.parametrize("rate", [1, 3, 10])
def test_as_many_pictures_as_were_asked_for(rate: int) -> None:
    assert len(list(pictures(clip(shown(COLOURS, 30)), rate))) == 3 * rate


def test_a_variable_rate_keeps_the_file_s_own_times() -> None:
    times = [0.0, 0.02, 0.04, 0.9, 1.3, 1.31, 4.7]
    colours = ["red", "red", "red", "lime", "blue", "blue", "red"]
    video = clip([(at, still(colour)) for at, colour in zip(times, colours, strict=True)])
    found = list(pictures(video, rate=2))
    assert [picture.at for picture in found] == pytest.approx([0, 0.9, 1.3, 4.7])
    assert seen(found) == "rgbr"


def test_a_video_that_does_not_begin_at_zero_is_counted_from_its_first_picture() -> None:
    later = [(at + 5, image) for at, image in shown(COLOURS)]
    assert [picture.at for picture in pictures(clip(later, "webm"), rate=1)] == pytest.approx([0, 1, 2], abs=0.002)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_rotated_video_stands_upright(quarters: int) -> None:
    upright = Image.new("RGB", (64, 48), "blue")
    upright.paste("red", (0, 0, 64, 24))  # above
    lying = upright.rotate(90 * quarters, expand=True)  # counterclockwise; the file says that it must be turned back
    (picture,) = pictures(turned(clip([(0, lying)]), quarters), rate=1)
    assert picture.image.size == (64, 48)
    assert main_colour(picture.image.crop((0, 0, 64, 20))) == "r"
    assert main_colour(picture.image.crop((0, 28, 64, 48))) == "b"


def test_a_large_picture_is_scaled_down() -> None:
    (picture,) = pictures(clip([(0, still("red", (2560, 1440)))]), rate=1)
    assert picture.image.size == (1280, 720) and picture.scale == 0.5


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize("at", [0.0, 0.5, 1.0, 2.5])
def test_a_picture_is_found_again_by_its_time(kind: str, at: float) -> None:
    video = clip([(when + 5, image) for when, image in shown(COLOURS)], kind)
    wanted = next(picture for picture in pictures(video, rate=2) if abs(picture.at - at) < 0.01)
    again = picture_at(video, wanted.at)
    assert again.image.tobytes() == wanted.image.tobytes()


CLUSTER = b"\x1f\x43\xb6\x75"
"""Before the pictures of a `.webm`."""

BROKEN = {
    "empty": (b"", "the file is empty"),
    "no video": (b"something else" * 100, "no video that can be read here"),
    "a picture": (b"\xff\xd8\xff\xe0" + bytes(1000), "no video that can be read here"),
    "only its head": (clip(shown(COLOURS))[:200], "no video that can be read here"),
    "only sound": (sound(), "no moving picture, only sound"),
    "sound with a cover": (song_with_cover(), "no moving picture, only sound"),
    "cut off before its pictures": (clip(shown(COLOURS), "webm").partition(CLUSTER)[0], "or it is damaged"),
    "no pictures": (clip([]), "no video that can be read here"),
}


@pytest.mark.parametrize(("video", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_video_gets_a_clear_error(video: bytes, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        list(pictures(video, rate=2))


def until_error(pictures: Iterator[Picture]) -> tuple[list[Picture], str]:
    """The pictures before the error, and its message."""
    found: list[Picture] = []
    with pytest.raises(VideoError) as error:
        found.extend(pictures)  # which keeps what came before the error
    return found, str(error.value)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_of_a_video_that_is_cut_off_what_is_there_is_read(kind: str) -> None:
    whole = clip([(number / 10, noise(number)) for number in range(80)], kind)
    if kind == "mp4":
        whole = head_first(whole)
        assert len(list(pictures(whole, rate=10))) == 80
    found, message = until_error(pictures(whole[: len(whole) // 2], rate=10))
    assert len(found) > 35
    assert [picture.at for picture in found] == pytest.approx([number / 10 for number in range(len(found))], abs=0.002)
    assert message.startswith(f"the video ends after {found[-1].at:.1f} of 7.9 s, its file may be cut off")


def test_a_damaged_place_is_owned_up_to() -> None:
    whole = bytearray(clip([(number / 10, noise(number)) for number in range(80)]))
    begin, end = len(whole) // 3, len(whole) // 2
    whole[begin:end] = bytes(end - begin)
    found, message = until_error(pictures(bytes(whole), rate=10))
    assert re.fullmatch(r"1\d damaged parts of the video are left out", message)
    hole = max(range(1, len(found)), key=lambda number: found[number].at - found[number - 1].at)
    assert found[hole].at - found[hole - 1].at > 1.4 and found[hole].after_loss
    assert not found[0].after_loss and not found[-1].after_loss
    assert found[-1].at == pytest.approx(7.9)


def test_bytes_broken_at_random_give_pictures_or_an_error_and_nothing_else() -> None:
    dice = np.random.default_rng(0)
    for kind in ("mp4", "webm"):
        video = clip(shown([(still("red"), 0.5), (noise(), 0.5)]), kind)
        for _ in range(150):
            broken = bytearray(video)
            for at in dice.integers(len(video), size=dice.choice((1, 10, 100))):
                broken[at] = dice.integers(256)
            with contextlib.suppress(VideoError):
                assert len(list(pictures(bytes(broken), rate=10))) <= 10 * 601


def test_a_video_that_says_that_it_is_too_long_is_refused_before_its_first_picture() -> None:
    video = clip([(0, still("red")), (1000, still("lime")), (1001, still("lime"))])
    with pytest.raises(VideoError, match=r"takes 16\.7 minutes; the limit is 10 minutes"):
        next(pictures(video, rate=1))
    assert len(list(pictures(video, rate=1, bounds=Bounds(seconds=1200)))) == 3


def test_an_endless_video_is_read_up_to_the_limit() -> None:
    video = clip(shown(COLOURS), "webm", live="1")  # as a camera streams it: no length, no index
    assert length(video) is None
    found = []
    with pytest.raises(VideoError, match="goes on after 2 seconds, the limit"):
        for picture in pictures(video, rate=2, bounds=Bounds(seconds=2)):
            found.append(picture)
    assert seen(found) == "rrggb"


def test_a_video_whose_time_stands_still_is_read_up_to_the_limit() -> None:
    many = [(number / 1000, image) for number, (_, image) in enumerate(shown(COLOURS * 20))]
    with pytest.raises(VideoError, match="goes on after 1 seconds"):
        list(pictures(clip(many), rate=10, bounds=Bounds(seconds=1)))


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(VideoError, match="has 0 MB; the limit is 0 MB"):
        next(pictures(clip(shown(COLOURS)), rate=1, bounds=Bounds(size=1000)))


def test_too_large_pictures_are_refused_whatever_the_header_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_PIXELS", 100_000)
    large = clip([(0, still("red", (640, 480)))], "webm")
    with pytest.raises(VideoError, match="the picture is 640×480"):
        next(pictures(large, rate=1))
    lying = large.replace(b"\xb0\x82\x02\x80", b"\xb0\x82\x00\x40")  # 64 pixels wide
    assert lying != large
    with pytest.raises(VideoError, match="or it is damaged"):
        next(pictures(lying, rate=1))


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_opens_no_other_file(playlist: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.mp4").write_bytes(clip(shown(COLOURS)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match="no video that can be read here"):
        list(pictures(playlist.encode(), rate=1))


def test_many_streams_are_refused() -> None:
    assert len(list(pictures(with_tracks(clip(shown(COLOURS)), frames.MOST_STREAMS), rate=2))) == 6
    with pytest.raises(VideoError, match="no video that can be read here"):
        next(pictures(with_tracks(clip(shown(COLOURS)), frames.MOST_STREAMS + 1), rate=2))


MEASURE = """
import sys
from client.frames import pictures
next(pictures(sys.stdin.buffer.read(), rate=1))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_only_one_stream_is_decoded() -> None:
    large = still("red", (2496, 2496))
    video = clip([(number / 10, large) for number in range(3)])
    command = [sys.executable, "-c", MEASURE]
    least, most = (
        int(subprocess.run(command, input=data, cwd=ROOT, capture_output=True, check=True).stdout) // 1024
        for data in (video, with_tracks(video, frames.MOST_STREAMS))
    )
    assert most < least + 150, "MiB; were all decoded, it would be many more"


def test_pictures_are_decoded_only_as_they_are_wanted() -> None:
    video = clip(shown([(still("red"), 60.0)]))
    assert len(list(itertools.islice(pictures(video, rate=10), 3))) == 3


def test_decoding_ends_between_two_pictures_when_no_more_are_wanted() -> None:
    """A file whose time stands still has any number of frames between two pictures."""
    asked = itertools.count(1)
    video = clip([(number / 1000, still("red")) for number in range(900)])
    assert len(list(pictures(video, rate=1, wanted=lambda: next(asked) < 50))) == 1
    assert next(asked) < 55


def test_too_many_large_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_PIXELS_A_SECOND", 64 * 48 * 10)
    assert len(list(pictures(clip(shown(COLOURS)), rate=10, bounds=Bounds(seconds=3)))) == 30
    _, message = until_error(pictures(clip(shown(COLOURS, 25)), rate=10, bounds=Bounds(seconds=4)))
    assert message.startswith("the video holds too many large pictures")


@pytest.mark.parametrize("rate", [1, 2, 7])
def test_a_video_is_gone_on_with_behind_a_picture(rate: int) -> None:
    video = clip([(when + 5, image) for when, image in shown(COLOURS, 30)])
    whole = list(pictures(video, rate))
    assert sum(picture.after_cut for picture in whole) == 2
    assert list(pictures(video, rate, after=whole[1].at)) == whole[2:]
    assert not list(pictures(video, rate, after=whole[-1].at))


@pytest.mark.parametrize("rate", [1, 10])
def test_the_first_picture_of_another_shot_says_so(rate: int) -> None:
    black_and_white = [(still("black"), 1.5), (still("white"), 0.2), (still("black"), 1.3)]
    found = list(pictures(clip(shown(black_and_white)), rate))
    assert [round(picture.at, 1) for picture in found if picture.after_cut] == ([2.0] if rate == 1 else [1.5, 1.7])


def test_pictures_say_how_much_of_the_file_is_read() -> None:
    video = clip([(number / 10, noise(number)) for number in range(300)], "webm", live="1")
    shares = [picture.read for picture in pictures(video, rate=1)]
    assert shares == sorted(shares) and shares[0] < 0.2 and shares[-1] > 0.8


def test_the_length_is_what_the_file_says() -> None:
    assert length(clip(shown(COLOURS))) == pytest.approx(3, abs=0.2)
