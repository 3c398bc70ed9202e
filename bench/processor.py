"""Processor time: of any processes, and of the service's parts and of the load generator for each photo."""

import psutil

from bench.load import LEAD, Request, saturate
from serving.server import Service


def seconds(service: Service) -> dict[str, float]:
    """Spent until now by each part: `workers`, `java`, `door`, and `client`, which is this process."""
    java, *workers = family(service.torchserve.pid)
    return {
        "workers": processor_seconds(*workers),
        "java": processor_seconds(java),
        "door": processor_seconds(psutil.Process(service.door.pid)),
        "client": processor_seconds(psutil.Process()),
    }


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def processor_seconds(*processes: psutil.Process) -> float:
    """What these have spent until now."""
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


class Split:
    """Milliseconds a photo by part, of several loads together."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._spent = dict.fromkeys(seconds(service), 0.0)
        self._photos = 0.0

    def load(self, request: Request, clients: int, counted: float) -> float:
        """Photos a second under `saturate`."""
        before = seconds(self._service)
        rate, _ = saturate(request, clients, counted)
        for part, now in seconds(self._service).items():
            self._spent[part] += now - before[part]
        self._photos += rate * (LEAD + counted)  # as many a second before counting begins
        return rate

    def __str__(self) -> str:
        return ", ".join(f"{part} {1000 * spent / self._photos:.2f}" for part, spent in self._spent.items())
