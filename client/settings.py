"""What the client takes from its environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """`server`: base URL of the service. `timeout`: seconds to wait for an answer. `report`: of the served model."""

    server: str = "http://127.0.0.1:8080"
    timeout: float = 10.0
    report: Path = Path(__file__).resolve().parent.parent / "model_store" / "report.json"


def from_environment() -> Settings:
    """Settings from `EMOTION_SERVER`, `EMOTION_TIMEOUT` and `EMOTION_REPORT`, each with a default.

    Raises `ValueError` when a value cannot be used, naming it.
    """
    defaults = Settings()
    server = os.environ.get("EMOTION_SERVER", defaults.server).rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise ValueError(f"EMOTION_SERVER is {server!r}; expected an address that begins with http:// or https://")
    timeout = os.environ.get("EMOTION_TIMEOUT", str(defaults.timeout))
    try:
        seconds = float(timeout)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 300:
        raise ValueError(f"EMOTION_TIMEOUT is {timeout!r}; expected seconds, above 0 and at most 300")
    return Settings(server, seconds, Path(os.environ.get("EMOTION_REPORT", defaults.report)))
