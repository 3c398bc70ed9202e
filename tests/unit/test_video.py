"""The video command and what it is made of, against a real local HTTP server."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from client.api import EmotionClient, ServerBusy, ServiceError
from client.concurrency import ordered_map
from client.frames import VideoError, pictures
from client.video import VIDEO_COLUMNS, analyse_video, moment_rows, to_csv, to_json
from tests.conftest import ROOT
from tests.unit.clips import clip, head_first, noise, shown, still
from tests.unit.local_service import Service, analysis, face

VIDEO = clip(shown([(still("red"), 2.0)]))


@pytest.fixture
def client(service: Service) -> Iterator[EmotionClient]:
    with EmotionClient(service.url) as client:
        yield client


def command(service: Service, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "client.video", *map(str, arguments)],
        cwd=ROOT,
        env={"EMOTION_SERVER": service.url, "PATH": ""},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_command_writes_a_line_for_each_face_of_each_picture(service: Service, tmp_path: Path) -> None:
    service.answer(200, analysis(face("happy", x=5.0), face("sad", x=300.0)))
    (tmp_path / "clip.mp4").write_bytes(VIDEO)
    done = command(service, tmp_path / "clip.mp4", "--out", tmp_path / "results.csv", "--rate", "2")
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader((tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert tuple(lines[0]) == VIDEO_COLUMNS
    assert [line["time"] for line in lines] == ["0.0", "0.0", "0.5", "0.5", "1.0", "1.0", "1.5", "1.5"]
    assert [line["face"] for line in lines] == ["1", "2"] * 4
    assert [line["smoothed_emotion"] for line in lines] == ["happy", "sad"] * 4
    assert service.requests == 4


def test_the_command_writes_an_annotated_video(service: Service, tmp_path: Path) -> None:
    (tmp_path / "clip.webm").write_bytes(clip(shown([(still("blue", (641, 479)), 2.0)]), "webm"))
    done = command(
        service, tmp_path / "clip.webm", "--out", tmp_path / "r.csv", "--rate", "5", "--annotate", tmp_path / "a.mp4"
    )
    assert done.returncode == 0, done.stderr
    annotated = list(pictures((tmp_path / "a.mp4").read_bytes(), rate=10))
    assert [picture.at for picture in annotated] == pytest.approx([number / 5 for number in range(10)], abs=0.001)
    image = annotated[-1].image
    assert image.size == (640, 478)
    colours = {image.getpixel((x, 60)) for x in range(150, 300)}  # across the box's upper edge and its label
    assert len(colours) > 3, "nothing was drawn"


def test_the_command_writes_json_where_the_name_says_so(service: Service, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(VIDEO)
    done = command(service, tmp_path / "clip.mp4", "--out", tmp_path / "results.json")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert content["file"] == "clip.mp4"
    assert [row["time"] for row in content["results"]] == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_what_is_known_of_a_video_that_is_cut_off_is_written(service: Service, tmp_path: Path, suffix: str) -> None:
    whole = head_first(clip(shown([(noise(number), 0.1) for number in range(60)])))
    (tmp_path / "clip.mp4").write_bytes(whole[: len(whole) // 2])
    done = command(service, tmp_path / "clip.mp4", "--out", tmp_path / f"results.{suffix}")
    assert done.returncode == 1 and "error: the video ends after 2." in done.stderr and "of 5.9 s" in done.stderr
    text = (tmp_path / f"results.{suffix}").read_text(encoding="utf-8")
    known = json.loads(text)["results"] if suffix == "json" else list(csv.DictReader(text.splitlines()))
    assert [float(row["time"]) for row in known][:5] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_what_has_no_end_is_not_read_for_ever(service: Service, tmp_path: Path) -> None:
    done = command(service, "/dev/zero", "--out", tmp_path / "results.csv", "--most-megabytes", "1")
    assert done.returncode == 1 and "the file has more than 1 MB; see --most-megabytes" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--annotate", "clip.mp4"], "must be different files"),
        (["--annotate", "../{}/clip.mp4"], "must be different files"),
        (["--out", "clip.mp4"], "must be different files"),
        (["--most-minutes", "nan"], "--most-minutes is nan"),
        (["--most-megabytes", "inf"], "--most-megabytes is inf"),
        (["--smoothing", "nan"], "--smoothing must be 0 or more"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    service: Service, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "clip.mp4").write_bytes(VIDEO)
    option, value = arguments
    if "mp4" in value:
        value = str(tmp_path / value.format(tmp_path.name))
    done = command(service, tmp_path / "clip.mp4", "--out", tmp_path / "results.csv", option, value)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "clip.mp4").read_bytes() == VIDEO and service.requests == 0


@pytest.mark.parametrize(
    ("data", "message"), [(b"nonsense", "no video that can be read"), (b"", "empty"), (None, "No such file")]
)
def test_the_command_says_what_is_wrong(service: Service, tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "clip.mp4").write_bytes(data)
    done = command(service, tmp_path / "clip.mp4", "--out", tmp_path / "results.csv")
    assert done.returncode == 1 and message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results.csv").exists(), "there is nothing to say"


def test_the_command_ends_when_the_service_is_away(service: Service, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(VIDEO)
    service.answer(401, {})
    done = command(service, tmp_path / "clip.mp4", "--out", tmp_path / "results.csv")
    assert done.returncode == 1 and "refused the token" in done.stderr


def test_faces_keep_their_numbers_through_the_video(service: Service, client: EmotionClient) -> None:
    service.answer(200, analysis(face(), face("sad", x=10.0)))
    moments = [moment for _, moment in analyse_video(client, pictures(VIDEO, 10), concurrency=4)]
    assert len(moments) == 20
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    assert {tuple(each.person for each in moment.followed) for moment in moments} == {(1, 2)}


def test_behind_a_cut_nobody_is_who_was_there_before(service: Service, client: EmotionClient) -> None:
    service.answer(200, analysis(face()))
    dialogue = clip(shown([(still("black"), 1.0), (still("white"), 1.0)]))
    moments = [moment for _, moment in analyse_video(client, pictures(dialogue, 2), concurrency=4)]
    assert [each.person for moment in moments for each in moment.followed] == [1, 1, 2, 2]


def test_boxes_are_in_the_video_s_own_pixels(service: Service, client: EmotionClient) -> None:
    large = clip([(0, still("red", (2560, 1440)))])
    ((_, moment),) = analyse_video(client, pictures(large, 1), concurrency=1)
    (row,) = moment_rows(moment)
    assert row["x"] == 2 * 180.0 and row["height"] == pytest.approx(2 * 122.1, abs=0.1)
    assert Image.open(io.BytesIO(service.received)).size == (1280, 720), "it was sent smaller"


def test_a_picture_without_faces_and_one_with_an_error_have_their_lines(
    service: Service, client: EmotionClient
) -> None:
    service.answer(200, analysis())
    _, moment = next(analyse_video(client, pictures(VIDEO, 1), 1))
    (row,) = moment_rows(moment)
    assert (row["status"], row["time"], row.get("face")) == ("no_face", 0.0, None)
    service.answer(400, {"error": {"code": "invalid_image", "message": "The JPEG file is broken."}})
    _, moment = next(analyse_video(client, pictures(VIDEO, 1), 1))
    assert moment_rows(moment) == [{"status": "invalid_image", "time": 0.0, "message": "The JPEG file is broken."}]


def test_what_is_before_the_broken_place_is_there(service: Service, client: EmotionClient) -> None:
    def broken() -> Iterator[object]:
        yield from pictures(VIDEO, 5)
        raise VideoError("broken")

    found = []
    with pytest.raises(VideoError, match="broken"):
        for _, moment in analyse_video(client, broken(), concurrency=4):  # type: ignore[arg-type]
            found.append(moment)
    assert len(found) == 10


def test_an_error_that_meets_every_picture_ends_the_work(service: Service, client: EmotionClient) -> None:
    service.answer(503, {})
    with pytest.raises(ServerBusy):
        list(analyse_video(client, pictures(VIDEO, 10), concurrency=2))
    assert service.requests <= 4


def test_no_more_than_the_bound_is_begun_before_the_first_is_done() -> None:
    begun: list[int] = []
    first = iter(ordered_map(lambda item: begun.append(item) or item, range(100), 5))  # type: ignore[func-returns-value]
    assert next(first) == (0, 0)
    assert len(begun) <= 6
    assert [item for item, _ in first] == list(range(1, 100))


def test_an_exception_comes_in_its_place() -> None:
    def half(item: int) -> float:
        return 6 / (3 - item)

    found = []
    with pytest.raises(ZeroDivisionError):
        for item, _ in ordered_map(half, range(9), 4):
            found.append(item)
    assert found == [0, 1, 2]


def test_the_tables_hold_the_same(service: Service, client: EmotionClient) -> None:
    _, moment = next(analyse_video(client, pictures(VIDEO, 1), 1))
    rows = moment_rows(moment)
    (line,) = csv.DictReader(io.StringIO(to_csv(rows)))
    content = json.loads(to_json("clip.mp4", rows))
    assert content["file"] == "clip.mp4"
    assert {name: str(value) for name, value in content["results"][0].items()} == {
        name: value for name, value in line.items() if value or name in rows[0]
    }


def test_service_errors_of_one_picture_are_kept(service: Service, client: EmotionClient) -> None:
    service.answer(413, {"error": {"code": "image_too_large", "message": "too large"}})
    moments = [moment for _, moment in analyse_video(client, pictures(VIDEO, 1), 1)]
    assert all(isinstance(moment.answer, ServiceError) for moment in moments) and len(moments) == 2
