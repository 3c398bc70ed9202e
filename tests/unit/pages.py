"""What the tests of the page share: its parts by what a person sees."""

import json
from typing import Any

from prometheus_client import REGISTRY
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from client.samples import samples
from tests.conftest import ROOT, photo_bytes

APP = ROOT / "client" / "app.py"


def upload(page: AppTest, *photos: tuple[str, bytes]) -> AppTest:
    page.file_uploader[0].set_value([(name, data, "image/jpeg") for name, data in photos])
    return page.run()


def upload_one(page: AppTest, data: bytes, name: str = "photo.jpg") -> AppTest:
    return upload(page, (name, data))


def switch(page: AppTest, name: str) -> AppTest:
    page.switch_page(f"views/{name}.py").run()
    assert not page.exception
    return page


def given(page: AppTest, key: str) -> dict[str, Any]:
    """What the component in the browser was given."""
    found = [part.proto for part in page.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0].json)
    return data


def shown(page: AppTest, key: str = "photo") -> dict[str, Any]:
    """The shown photo and its faces."""
    return given(page, f"faces in {key}")


def read(page: AppTest) -> list[str]:
    """The faces of the shown photo, as their cards are titled."""
    return [f"{face['number']} · {face['named']}" for face in shown(page)["faces"]]


def tiles(page: AppTest) -> list[str]:
    """The gallery, the shown photo in brackets."""
    data = given(page, "gallery")
    names = [(tile["id"] == data["shown"], tile["name"]) for tile in data["tiles"]]
    return [f"[{name}]" if is_shown else name for is_shown, name in names]


def texts(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.error, *page.info, *page.title, *page.header, *page.success]
    return "\n".join([*(element.value for element in elements), *(element.proto.body for element in page.get("html"))])


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def numbered(count: int) -> list[tuple[str, bytes]]:
    return [(f"{n}.jpg", photo_bytes("smiling") + bytes([n])) for n in range(count)]


def button(page: AppTest, label: str) -> Button:
    (found,) = (each for each in page.button if each.label == label)
    return found


def sample_button(page: AppTest, title: str) -> Button:
    return page.button(key=f"sample{list(samples()).index(title)}")
