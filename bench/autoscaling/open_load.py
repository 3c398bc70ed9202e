"""The load job beside `measure.py`'s own load, on one running service: `python -m bench.autoscaling.open_load`.

The job (k8s/overlays/load) sends photos at a rate, whether earlier ones are answered or not, each over a connection of
its own; `measure.py` has clients that send the next photo when the last is answered, over one connection each. Both
must find the same capacity. The columns `service` and `sender` are the processors that each kept busy meanwhile: what
both take together is what the machine had. Needs `.venv-load` (`make .venv-load/.installed`).
"""

import argparse
import os
import subprocess
import time

import psutil

from bench.autoscaling.measure import under_load
from bench.common import ADDRESSES, ROOT
from bench.processor import family, processor_seconds
from serving.server import Service, serving

LOCUST = ROOT / ".venv-load" / "bin" / "locust"
JOB = ROOT / "k8s" / "overlays" / "load"
HEAD = (
    "| sent by | photos/s to be sent | sent | answered | refused | failed | p50 | p99 | service | sender |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description="The load job beside bench.autoscaling.measure's own load.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each step")
    parser.add_argument("--rates", default="40 80 120 160 200", help="photos a second of the job's steps")
    parser.add_argument("--clients", type=int, nargs="*", default=[8, 16], help="that each send the next photo at once")
    arguments = parser.parse_args()
    with serving(ADDRESSES) as service:
        service.wait_until_ready()
        rows = [closed(service, clients, arguments.seconds) for clients in arguments.clients]
        rows += job(service, arguments.rates, arguments.seconds)
    print("\n".join([HEAD, *rows]))


def closed(service: Service, clients: int, seconds: float) -> str:
    """A row for clients that wait for their answers, and so send only what is answered."""
    photo = (JOB / "photo.jpg").read_bytes()
    before, began = busy(service), time.perf_counter()
    found = under_load(photo, clients, seconds)
    shares = processors(before, busy(service), time.perf_counter() - began)
    rate, times = found["photos_per_second"], found["seconds"]
    quantiles = [f"{times[name] * 1000:.0f} ms" for name in ("p50", "p99")]
    return " | ".join(
        [f"| `measure.py`, {clients} clients | – | {rate:.1f} | {rate:.1f} | 0.0 | 0.0", *quantiles, shares]
    )


def job(service: Service, rates: str, seconds: float) -> list[str]:
    """The rows that the job's script prints, as they come."""
    environment = {"PATH": os.environ["PATH"], "RATES": rates, "STEP": str(seconds), "PYTHONUNBUFFERED": "1"}
    command = [str(LOCUST), "--headless", "--only-summary", "--users=1", f"--locustfile={JOB / 'load.py'}"]
    rows = []
    with subprocess.Popen(
        [*command, f"--host=http://127.0.0.1:{ADDRESSES.door}"], env=environment, stdout=subprocess.PIPE, text=True
    ) as locust:
        assert locust.stdout
        before, began = busy(service, locust.pid), time.perf_counter()
        for line in locust.stdout:
            after, now = busy(service, locust.pid), time.perf_counter()
            if line.startswith("| ") and line[2].isdigit():
                rows.append(f"| the job {line.strip()} {processors(before, after, now - began)}")
            before, began = after, now
    return rows


def busy(service: Service, sender: int | None = None) -> tuple[float, float]:
    """Seconds of processors so far: of the service, and of who sends to it (this process by default)."""
    sending = [psutil.Process()] if sender is None else family(sender)
    return processor_seconds(*family(service.torchserve.pid), *family(service.door.pid)), processor_seconds(*sending)


def processors(before: tuple[float, float], after: tuple[float, float], seconds: float) -> str:
    """The last two cells of a row."""
    service, sender = ((late - early) / seconds for early, late in zip(before, after, strict=True))
    return f"{service:.2f} | {sender:.2f} |"


if __name__ == "__main__":
    main()
