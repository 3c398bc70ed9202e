"""What an archive's photos are, and how they are cut into parts; and the work of one core, without Ray."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from bulk import storage
from bulk.plan import Part, Refused, Results, Run, name_of, parts, size_for
from bulk.source import photos
from bulk.work import Analyst
from tests.unit.bulk_photos import BROKEN, all_rows, archive, models, query


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models(tmp_path_factory.mktemp("bulk") / "models")


def test_a_folder_a_glob_and_both_manifests_name_the_same_photos(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    (folder / "b").mkdir(parents=True)
    for name in ("2 ü.jpg", "1#%.JPG", "b/3?.png", "notes.txt"):
        (folder / name).write_bytes(b"x")
    found = list(photos(str(folder)))
    assert [Path(storage.locate(uri)[1]).name for uri in found] == ["1#%.JPG", "2 ü.jpg", "3?.png"]
    assert [storage.read(uri, 9) for uri in found] == [b"x"] * 3
    assert list(photos(f"{folder}/*")) == found
    assert list(photos(f"{folder}/b/*.png")) == found[2:]
    pq.write_table(pa.table({"id": [1, 2, 3], "photo": found}), tmp_path / "list.parquet")
    assert list(photos(str(tmp_path / "list.parquet"))) == found
    (tmp_path / "list.csv").write_text("\n".join(["uri", *found, found[0], "a folder/2 ü.jpg"]), encoding="utf-8")
    assert list(photos(str(tmp_path / "list.csv"))) == found, "none twice, and paths are those beside the manifest"


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"x")
    (uri,) = photos(str(tmp_path))
    assert uri.endswith("%FF.jpg")
    assert storage.read(uri, 1) == b"x"


def test_only_what_is_missing_is_left(tmp_path: Path) -> None:
    results, names = Results(str(tmp_path)), [f"file:///{number}.jpg" for number in range(10)]
    first, *others = parts(iter(names), results, 4, False)
    assert [len(part.photos) for part in (first, *others)] == [4, 4, 2]
    _write(results, first)
    assert list(parts(iter(names), results, 4, False)) == others
    more = ["file:///new.jpg", *names]  # what is cut differs from here on
    assert [photo for part in parts(iter(more), results, 4, False) for photo in part.photos] == [
        "file:///new.jpg",
        *names[4:],
    ]


def test_a_half_written_file_is_no_part_and_goes(tmp_path: Path) -> None:
    (tmp_path / ".part-1.parquet.tmp").write_bytes(b"PAR1")
    assert Results(str(tmp_path)).listed() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put(f"{tmp_path}/a", b"before")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        storage.put(f"{tmp_path}/a", b"after")
    assert (tmp_path / "a").read_bytes() == b"before"


def test_another_model_or_detail_is_refused(tmp_path: Path) -> None:
    results = Results(str(tmp_path))
    assert results.begin(Run("1", "standard", 8), False) == Run("1", "standard", 8)
    assert results.begin(Run("1", "standard", 99), False).photos_per_part == 8, "or the parts would be others"
    with pytest.raises(Refused, match="made with model 1, this is 2"):
        results.begin(Run("2", "standard", 8), False)
    with pytest.raises(Refused, match="--detail standard"):
        results.begin(Run("1", "fast", 8), False)
    assert results.begin(Run("2", "standard", 8), True).model == "2"


def test_every_photo_has_its_rows_and_errors_can_be_tried_again(tmp_path: Path, model_folder: Path) -> None:
    folder = archive(tmp_path / "photos", 3)
    good = (folder / "00000.jpg").read_bytes()
    for name, (data, _) in BROKEN.items():
        (folder / name).write_bytes(good[: len(good) // 2] if name == "short.jpg" else data)
    (folder / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.jpg")
    results, names = Results(str(tmp_path / "out")), tuple(photos(str(folder)))
    analyst = Analyst(results.uri, "standard", str(model_folder))
    counts = analyst.analyse(Part(name_of(names), names))
    assert (counts["photos"], counts["faces"]) == (9, 3)
    out = tmp_path / "out"
    codes = {Path(str(photo)).name: outcome for photo, outcome in query(out, "SELECT photo, outcome FROM archive")}
    expected = {name: code for name, (_, code) in BROKEN.items()}
    expected |= dict.fromkeys(("gone.jpg", "pipe.jpg"), "unreadable_file")
    assert codes == expected | {f"0000{number}.jpg": "ok" for number in range(3)}
    before = all_rows(out)
    for name in BROKEN:
        (folder / name).write_bytes(good)
    assert list(parts(iter(names), results, 1000, False)) == []
    (again,) = parts(iter(names), results, 1000, True)
    assert analyst.analyse(again)["photos"] == 6
    after = all_rows(out)
    assert [row for row in before if row[1] == "ok"] == [row for row in after if "/0000" in str(row[0])]
    assert len(after) == 9
    assert {row[1] for row in after} == {"ok", "unreadable_file"}
    metadata = pq.read_schema(next(out.glob("*.parquet"))).metadata
    assert metadata[b"emotion.model_version"]


def test_parts_fit_the_archive() -> None:
    assert size_for(10, 2) == 8
    assert size_for(2000, 2) == 31
    assert size_for(10**7, 2) == 1000


def _write(results: Results, part: Part) -> None:
    table = pa.table({"photo": part.photos, "outcome": ["ok"] * len(part.photos)})
    pq.write_table(table, f"{results.path}/{part.name}.parquet")
