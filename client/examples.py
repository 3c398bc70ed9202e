"""A request to the service as code to copy: curl, Python and JavaScript."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from client.settings import Settings
from emotion.contract import Detail

PLACEHOLDER = "https://emotion.example.org"
"""Where the page does not know the address at which people reach the service."""

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Example:
    """One way to make the request."""

    name: str
    code: str


def public_address(settings: Settings) -> str:
    """The service's address for people: never one that only the page's own network knows."""
    local = urlsplit(settings.server).hostname in LOOPBACK
    return settings.public_server or (settings.server if local else PLACEHOLDER)


def examples(settings: Settings, file: str, detail: Detail) -> list[Example]:
    """The request for the photo in `file`; where the page sends a token, the code takes it from the environment."""
    url = f"{public_address(settings)}/predictions/emotion?detail={detail}"
    token = bool(settings.token)
    curl = f"curl -T {shlex.quote(file)}"
    curl += ' -H "Authorization: Bearer $EMOTION_TOKEN"' if token else ""
    python = ["from pathlib import Path", "", "import requests", ""]
    header = ', headers={"Authorization": f"Bearer {os.environ[\'EMOTION_TOKEN\']}"}' if token else ""
    python = [*(["import os"] if token else []), *python]
    python += [
        f"photo = Path({file!r}).read_bytes()",
        f"answer = requests.post({url!r}, data=photo{header}, timeout=10)",
        "answer.raise_for_status()",
        'for face in answer.json()["faces"]:',
        '    print(face["emotion"], face["confidence"])',
    ]
    headers = "{ Authorization: `Bearer ${process.env.EMOTION_TOKEN}` }" if token else "{}"
    javascript = [
        'import { readFile } from "node:fs/promises";',
        "",
        f"const answer = await fetch({json.dumps(url)}, {{",
        '  method: "POST",',
        f"  headers: {headers},",
        f"  body: await readFile({json.dumps(file)}),",
        "});",
        "if (!answer.ok) throw new Error(await answer.text());",
        "const { faces } = await answer.json();",
        "for (const face of faces) console.log(face.emotion, face.confidence);",
    ]
    return [
        Example("curl", f"{curl} {shlex.quote(url)}"),
        Example("Python", "\n".join(python)),
        Example("JavaScript", "\n".join(javascript)),
    ]
