"""The client's settings, read from environment variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LONGEST = 90.0
"""Seconds that a session can be kept for its tab: after 120 Streamlit itself no longer tells of it."""


@dataclass(frozen=True)
class Settings:
    """Everything that differs between places where the client runs.

    `server`: base URL of the service; `token`: sent as `Authorization: Bearer …` where the service stands behind an
    authenticating edge. `timeout`: seconds to wait for an answer. `retries`: times a photo is sent again while the
    service is away or busy. `concurrency`: photos under way at once. `metrics_port`: where Prometheus reads the
    client's own metrics, 0 for nowhere. `reports`: folder of the served model's reports. `public_server`: the service's
    base URL for people, in examples; empty if they cannot reach it, or as the page does. `reconnect`: seconds for which
    the page keeps the photos of a tab that is cut off, closed or reloaded. `hosts`: names, in lower case, by which
    people reach the page, beside loopback's and addresses.
    """

    server: str = "http://127.0.0.1:8080"
    token: str = ""
    timeout: float = 10.0
    retries: int = 2
    concurrency: int = 4
    metrics_port: int = 0
    reports: Path = Path(__file__).resolve().parent.parent / "model_store"
    public_server: str = ""
    reconnect: float = 60.0
    hosts: tuple[str, ...] = ()


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `EMOTION_SERVER`, `EMOTION_TOKEN`, `EMOTION_TIMEOUT`, `EMOTION_RETRIES`, `EMOTION_CONCURRENCY`,
    `EMOTION_METRICS_PORT`, `EMOTION_REPORTS`, `EMOTION_PUBLIC_SERVER`, `EMOTION_RECONNECT` and `EMOTION_HOSTS`, each
    with a default.

    Raises `ValueError` when a value cannot be used, naming it and its bounds; never the token's value.
    """
    defaults = Settings()
    server, public_server = (
        _address(environment, name, default)
        for name, default in (("EMOTION_SERVER", defaults.server), ("EMOTION_PUBLIC_SERVER", ""))
    )
    token = environment.get("EMOTION_TOKEN", defaults.token)
    if not (token.isascii() and token.isprintable()):
        raise ValueError("EMOTION_TOKEN holds a character that a header cannot carry; expected printable ASCII")
    return Settings(
        server=server,
        token=token,
        timeout=_number(environment, "EMOTION_TIMEOUT", defaults.timeout, 0.1, 300),
        retries=int(_number(environment, "EMOTION_RETRIES", defaults.retries, 0, 10)),
        concurrency=int(_number(environment, "EMOTION_CONCURRENCY", defaults.concurrency, 1, 64)),
        metrics_port=int(_number(environment, "EMOTION_METRICS_PORT", defaults.metrics_port, 0, 65535)),
        reports=Path(environment.get("EMOTION_REPORTS", defaults.reports)),
        public_server=public_server,
        reconnect=_number(environment, "EMOTION_RECONNECT", defaults.reconnect, 1, LONGEST),
        hosts=_hosts(environment.get("EMOTION_HOSTS", "")),
    )


def _address(environment: Mapping[str, str], name: str, default: str) -> str:
    address = environment.get(name, default).rstrip("/")
    if address != default and not address.startswith(("http://", "https://")):
        raise ValueError(f"{name} is {address!r}; expected an address that begins with http:// or https://")
    return address


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in hosts:
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
            raise ValueError(
                f"EMOTION_HOSTS has {name!r}; expected host names like emotion.example.com, with commas between"
            )
    return hosts


def _number(environment: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environment.get(name, str(default))
    kind = type(default)
    try:
        value = kind(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name} is {text!r}; expected {what} from {least:g} to {most:g}")
    return value
