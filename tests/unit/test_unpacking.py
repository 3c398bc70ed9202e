"""Photos come out of a ZIP file within bounds; what cannot be taken is named with why."""

import io
import struct
import zipfile

import pytest

from client.unpacking import LARGEST_PHOTO, MOST_AT_ONCE, MOST_TOGETHER, photos_in


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_only_photos_come_out_each_under_its_own_name() -> None:
    data = zipped(
        **{
            "trip/a.jpg": b"a",
            "trip/more/b.PNG": b"b",
            "trip/Thumbs.db": b"",
            "__MACOSX/trip/._a.jpg": b"",
            "../../etc/c.webp": b"c",
        }
    )
    assert list(photos_in("trip.zip", data)) == [("a.jpg", b"a"), ("b.PNG", b"b"), ("c.webp", b"c")]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["notes.pdf"], "notes.pdf in it is no photo that can be read here."),
        (["notes.pdf", "map.svg"], "2 files in it are no photos that can be read here, such as notes.pdf."),
    ],
)
def test_what_else_is_in_it_is_named_after_the_photos(others: list[str], said: str) -> None:
    data = zipped(**dict.fromkeys((f"trip/{name}" for name in others), b""), **{"trip/a.jpg": b"a"})
    assert list(photos_in("trip.zip", data)) == [("a.jpg", b"a"), ("trip.zip", said)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no zip", "damaged"),
        (zipped(), "no photo"),
        (zipped(**{"a.txt": b""}), "no photo"),
        (zipped()[:-4], "damaged"),
    ],
)
def test_a_file_without_photos_is_named(data: bytes, why: str) -> None:
    ((name, said),) = photos_in("some.zip", data)
    assert name == "some.zip" and isinstance(said, str) and why in said


def test_a_photo_that_unpacks_to_too_much_is_refused() -> None:
    large = bytes(LARGEST_PHOTO + 1)
    (bomb, small) = photos_in("bomb.zip", zipped(**{"a.jpg": large, "b.jpg": b"b"}))
    assert bomb == ("a.jpg", "it is larger than 50 MB.") and small == ("b.jpg", b"b")
    ((name, said),) = photos_in(
        "bomb.zip", zipped(**{f"{n}.jpg": large for n in range(MOST_TOGETHER // len(large) + 1)})
    )
    assert (name, said) == ("bomb.zip", "its photos are more than 250 MB together.")


def test_a_file_that_claims_less_than_it_holds_is_damaged() -> None:
    data = bytearray(zipped(**{"a.jpg": bytes(LARGEST_PHOTO + 1)}))
    at = data.index(b"PK\x01\x02") + 24  # the uncompressed size in the directory
    data[at : at + 4] = struct.pack("<I", 10)
    assert list(photos_in("liar.zip", bytes(data))) == [("a.jpg", "this file is damaged.")]


def test_an_encrypted_photo_is_named() -> None:
    data = bytearray(zipped(**{"a.jpg": b"a"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert list(photos_in("secret.zip", bytes(data))) == [("a.jpg", "it is encrypted.")]


def test_a_directory_of_a_million_files_is_not_taken_apart() -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0x21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    count = 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, count * len(entry), 0, 0)
    assert list(photos_in("many.zip", count * entry + end)) == [("many.zip", "it holds too many files.")]


def test_a_photo_larger_than_a_directory_may_be_comes_out() -> None:
    photo = bytes(MOST_AT_ONCE + 1)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.jpg", photo)
    assert list(photos_in("trip.zip", file.getvalue())) == [("a.jpg", photo)]


def test_a_name_leads_nowhere_on_any_system() -> None:
    data = zipped(**{"x\\..\\..\\evil.jpg": b"a", "C:\\b.jpg": b"b"})
    assert [name for name, _ in photos_in("trip.zip", data)] == ["evil.jpg", "b.jpg"]


def test_damage_of_any_kind_is_damage() -> None:
    """Every byte in turn: the file or a photo in it is damaged, is called otherwise, or comes out."""
    data = zipped(**{"a.jpg": bytes(range(256)), "b.jpg": b"b" * 99})
    for at in range(len(data)):
        for value in (0, 0xFF, data[at] ^ 0x08):
            list(photos_in("some.zip", data[:at] + bytes([value]) + data[at + 1 :]))
