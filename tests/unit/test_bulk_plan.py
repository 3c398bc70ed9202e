"""What an archive's photos are, and how they are cut into parts; and the work of one core, without Ray."""

import os
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from bulk import plan as planning
from bulk import source, storage
from bulk.plan import Part, Plan, cut, name_of, size_for
from bulk.results import Refused, Results, Run
from bulk.source import photos
from bulk.work import Analyst
from tests.unit.bulk_photos import BROKEN, all_rows, archive, break_some, models, query

Make = Callable[[Sequence[object]], list[object]]


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


def test_photos_that_a_manifest_repeats_are_known_without_being_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SEEN_KIB", 64)  # what has no room there is on disk
    uris = (f"file:///{number}.jpg" for _ in range(2) for number in range(20_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in source._once(uris)) == 20_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**20, "a set of their digests would have 2 MiB"


@pytest.fixture
def archive_of(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes photos of these names the source; gives the list that tells how many of them were listed so far."""

    def make(names: Sequence[object]) -> list[object]:
        listed: list[object] = []

        def listing(_: str) -> Iterator[object]:
            listed.clear()
            for name in names:
                listed.append(name)
                yield name

        monkeypatch.setattr(planning, "photos", listing)
        return listed

    return make


NAMES = [f"file:///{number}.jpg" for number in range(1000)]


def test_the_first_part_is_there_while_the_source_is_still_listed(tmp_path: Path, archive_of: Make) -> None:
    listed = archive_of(NAMES)
    first = next(Plan("source", str(tmp_path), 20).parts())
    assert first.photos == tuple(NAMES[: len(first.photos)])
    assert len(listed) <= 30


def test_parts_have_about_the_size_asked_for() -> None:
    sizes = [len(part.photos) for part in cut(iter(NAMES), 20)]
    assert sum(sizes) == 1000
    assert max(sizes) <= 30
    assert min(sizes[:-1]) >= 10
    assert 35 <= len(sizes) <= 70
    assert [len(part.photos) for part in cut(iter(NAMES), 1)] == [1] * 1000


def test_only_what_is_missing_is_left(tmp_path: Path, archive_of: Make) -> None:
    archive_of(NAMES)
    results, plan = Results(str(tmp_path)), Plan("source", str(tmp_path), 20)
    first, *others = plan.parts()
    assert len(others) > 30
    assert (plan.survey().photos, plan.survey().left) == (1000, 1000)
    _write(results, first)
    assert list(plan.parts()) == others
    assert (plan.survey().photos, plan.survey().left) == (1000, 1000 - len(first.photos))


def test_photos_that_come_and_go_change_only_their_own_parts(tmp_path: Path, archive_of: Make) -> None:
    archive_of(NAMES)
    results, plan = Results(str(tmp_path)), Plan("source", str(tmp_path), 20)
    for part in plan.parts():
        _write(results, part)
    assert list(plan.parts()) == []
    changed = ["file:///new.jpg", *NAMES[:500], *NAMES[503:700], "file:///another.jpg", *NAMES[700:]]
    archive_of(changed)
    survey = plan.survey()
    assert survey.left < 200, "others are cut as they were"
    assert 1 <= len(survey.others) <= 12
    left = [photo for part in replace(plan, others=survey.others).parts() for photo in part.photos]
    assert left == ["file:///new.jpg", "file:///another.jpg"], "what the changed parts share is not done again"


def test_a_half_written_file_is_no_part_and_goes(tmp_path: Path) -> None:
    (tmp_path / ".part-1.parquet.tmp").write_bytes(b"PAR1")
    results = Results(str(tmp_path))
    assert results.parts() == set()
    results.begin(Run("1", "standard", 8), False)
    assert [path.name for path in tmp_path.iterdir()] == ["_run.json"]


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
    break_some(folder)
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
    plan = Plan(str(folder), results.uri, 1000)
    assert list(plan.parts()) == []
    (again,) = replace(plan, retry_errors=True).parts()
    assert analyst.analyse(again)["photos"] == 6
    after = all_rows(out)
    assert [row for row in before if row[1] == "ok"] == [row for row in after if "/0000" in str(row[0])]
    assert len(after) == 9
    assert {row[1] for row in after} == {"ok", "unreadable_file"}
    metadata = pq.read_schema(next(out.glob("*.parquet"))).metadata
    assert metadata[b"emotion.model_version"]


def test_parts_fit_the_archive(archive_of: Make) -> None:
    for count, size in ((10, 8), (2000, 62), (10**6, 1000)):
        listed = archive_of(range(count))
        assert size_for("source", 2) == size
        assert len(listed) <= 100_001, "more of a large archive is not waited for"


def _write(results: Results, part: Part) -> None:
    table = pa.table({"photo": part.photos, "outcome": ["ok"] * len(part.photos)})
    pq.write_table(table, f"{results.path}/{part.name}.parquet")
