"""What libraries write to a worker's standard error of a photo is no line of TorchServe's log."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

CONFIGURATION = Path(__file__).resolve().parents[2] / "serving" / "log4j2.xml"


@pytest.mark.parametrize(
    "line",
    [
        # libjpeg's warnings (jerror.h), with the numbers that it takes from the file.
        "Unknown Adobe color transform code 77",
        "Corrupt JPEG data: bad arithmetic code",
        "Inconsistent progression sequence for component 2 coefficient 63",
        "Corrupt JPEG data: 4711 extraneous bytes before marker 0xd9",
        "Corrupt JPEG data: premature end of data segment",
        "Corrupt JPEG data: bad Huffman code",
        "Warning: unknown JFIF revision number 77.66",
        "Premature end of JPEG file",
        "Corrupt JPEG data: found marker 0xd9 instead of RST1",
        "Invalid SOS parameters for sequential JPEG",
        "Application transferred too many scanlines",
        "libpng warning: iCCP: known incorrect sRGB profile",
    ],
)
def test_no_warning_of_an_image_library_passes(line: str) -> None:
    denied = [each.get("regex", "") for each in filters() if each.get("onMatch") == "DENY"]
    assert any(re.fullmatch(pattern, line) for pattern in denied)


def test_the_lines_of_requests_pass() -> None:
    line = "request id=06217431 status=200 faces=1 ms=29.3"
    said = [each.get("onMatch") for each in filters() if re.fullmatch(each.get("regex", ""), line)]
    assert said == ["ACCEPT"]


def filters() -> list[ET.Element]:
    """Those of what workers write, in their order."""
    return ET.parse(CONFIGURATION).findall(".//Logger[@name='MODEL_LOG']/Filters/RegexFilter")  # noqa: S314, ours
