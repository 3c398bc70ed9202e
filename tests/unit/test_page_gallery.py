"""Many photos on the page."""

import io
import zipfile

from streamlit.testing.v1 import AppTest

from tests.conftest import photo_bytes
from tests.unit.local_service import Service, analysis, face
from tests.unit.pages import button, numbered, shown, switch, texts, tiles, upload, upload_one


def test_many_photos_have_a_gallery_and_one_is_shown(page: AppTest, service: Service) -> None:
    upload(page, *numbered(5))
    assert not page.exception
    assert service.requests == 5
    assert "**5 photos · 5 faces**" in texts(page)
    assert "All faces: happy 5 of 5" in texts(page)
    assert tiles(page) == ["[0.jpg]", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert list(page.dataframe[0].value["expressions"]) == ["happy"] * 5
    button(page, "Next").click().run()
    assert tiles(page) == ["0.jpg", "[1.jpg]", "2.jpg", "3.jpg", "4.jpg"]
    assert "**2 of 5**" in texts(page)
    assert service.requests == 5, "looking at another photo sends nothing"


def test_gallery_and_table_are_filtered_and_sorted_alike(page: AppTest, service: Service) -> None:
    refused = (400, {"error": {"code": "truncated_image", "message": "the JPEG file ends early"}})
    answers = {
        "b.jpg": (200, analysis(face())),
        "a.jpg": (200, analysis(face("sad", 0.6), face("happy", 0.3))),
        "d.jpg": (200, analysis()),
        "c.jpg": refused,
    }
    for number, (name, answer) in enumerate(answers.items()):
        service.answer(*answer)
        upload_one(page, photo_bytes("smiling") + bytes([number]), name)
    assert "**4 photos · 3 faces**" in texts(page)
    assert "All faces: happy 1 of 3, sad 1 of 3, uncertain 1 of 3" in texts(page)

    def wanted(*kinds: str) -> list[str]:
        page.button_group(key="only").set_value(list(kinds)).run()
        names = [name.strip("[]") for name in tiles(page)] if page.get("bidi_component")[1:] else []
        assert list(page.dataframe[0].value["file"]) == names, "they never disagree"
        return names

    assert wanted() == ["b.jpg", "a.jpg", "d.jpg", "c.jpg"]
    assert wanted("happy") == ["b.jpg"]
    assert wanted("uncertain") == ["a.jpg"]
    assert wanted("no face", "not read") == ["d.jpg", "c.jpg"]
    orders = {"By name": "abcd", "Most faces first": "abdc", "Least sure first": "dcab", "As they came": "badc"}
    wanted()
    for order, names in orders.items():
        page.selectbox(key="order").set_value(order).run()
        assert wanted() == [f"{name}.jpg" for name in names], order
    assert "not read: The end of this file is missing" in list(page.dataframe[0].value["expressions"])
    wanted("happy")
    switch(page, "privacy")
    switch(page, "analyse")
    assert page.button_group(key="only").value == ["happy"]


def test_two_photos_are_compared_until_another_is_chosen(page: AppTest) -> None:
    upload(page, *numbered(3))
    page.selectbox(key="compared").set_value(list(page.session_state["photos"])[2]).run()
    for _ in range(2):
        assert not page.exception
        assert len(shown(page)["faces"]) == len(shown(page, "other photo")["faces"]) == 1
        assert r"**3 · 2\.jpg**" in texts(page)
        switch(page, "privacy")
        switch(page, "analyse")
    button(page, "Next").click().run()
    button(page, "Next").click().run()  # to the one that was beside it
    button(page, "Remove this photo").click().run()
    assert not page.exception
    assert tiles(page) == ["0.jpg", "[1.jpg]"]


def test_photos_that_come_later_are_shown_at_once(page: AppTest) -> None:
    upload(page, *numbered(3))
    upload(page, ("later.jpg", photo_bytes("serious")), ("last.jpg", photo_bytes("smiling")))
    assert tiles(page) == ["0.jpg", "1.jpg", "2.jpg", "[later.jpg]", "last.jpg"]


def test_a_long_name_is_shortened_in_its_middle(page: AppTest) -> None:
    upload(page, ("a" * 60 + "-1.jpg", photo_bytes("smiling")), ("b.jpg", photo_bytes("serious")))
    assert rf"**1 of 2** · {'a' * 21}…{'a' * 16}\-1\.jpg" in texts(page)


def test_one_photo_is_removed_and_its_follower_takes_its_place(page: AppTest, service: Service) -> None:
    upload(page, *numbered(4))
    button(page, "Next").click().run()
    button(page, "Remove this photo").click().run()
    assert tiles(page) == ["0.jpg", "[2.jpg]", "3.jpg"]
    button(page, "Next").click().run()
    button(page, "Remove this photo").click().run()
    assert tiles(page) == ["0.jpg", "[2.jpg]"], "the last one has none"
    assert len(page.session_state["photos"]) == len(page.session_state["outcomes"]) == 2
    for _ in range(2):
        button(page, "Remove this photo").click().run()
    assert not page.exception
    assert not page.session_state["photos"] and not page.session_state["outcomes"]
    assert service.requests == 4, "nothing was sent again"


def test_photos_in_a_zip_are_read_and_others_named(page: AppTest) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("trip/a.jpg", photo_bytes("smiling"))
        archive.writestr("trip/b.jpg", photo_bytes("serious"))
    upload(page, ("trip.zip", file.getvalue()), ("broken.zip", b"no zip"))
    assert not page.exception
    assert tiles(page) == ["[a.jpg]", "b.jpg"]
    assert page.warning[0].value == "Not taken:\n\n- broken\\.zip\\: this file is damaged\\."
