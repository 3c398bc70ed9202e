"""Sends photos to the service at rising rates and prints what became of them, a line of a table for each rate.

    locust --headless --only-summary --users 1 --host http://emotion-server:8080 --locustfile load.py

The load is open: photos leave at random moments (a Poisson process) whether earlier ones are answered or not, and times
count from the moment at which a photo should have left. Each has a connection of its own, because kube-proxy gives
connections to pods, not requests. From the environment:

    RATES          photos a second, one step each; ends after a step that refused or failed more than half
    STEP           seconds of each
    PHOTO          file that is sent
    EMOTION_TOKEN  sent as `Authorization: Bearer …`, where the service asks for it
"""

import math
import os
import random
import time
from pathlib import Path

import gevent
from gevent.pool import Group
from locust import FastHttpUser, task

RATES = [float(rate) for rate in os.environ.get("RATES", "10 20 40 80 120 160 200 240").split()]
STEP = float(os.environ.get("STEP", "30"))
PHOTO = Path(os.environ.get("PHOTO", Path(__file__).with_name("photo.jpg")))

REFUSED = (429, 503)
"""What a full service, or the limit at an edge, answers."""


class Sender(FastHttpUser):
    """One user who sends everybody's photos."""

    fixed_count = 1
    concurrency = 10_000  # of connections: never the limit
    connection_timeout = 10.0
    network_timeout = 60.0

    def on_start(self) -> None:
        self.photo = PHOTO.read_bytes()
        self.headers = {"Content-Type": "application/octet-stream", "Connection": "close"}
        if token := os.environ.get("EMOTION_TOKEN"):
            self.headers["Authorization"] = f"Bearer {token}"

    @task
    def all_steps(self) -> None:
        self.send(time.perf_counter(), [])  # whose connections and threads are new would count in the first step
        print("| photos/s to be sent | sent | answered | refused | failed | p50 | p99 |\n|---|---|---|---|---|---|---|")
        answered = 0
        for rate in RATES:
            results = self.step(rate)
            seconds = sorted(taken for status, taken in results if status == 200)
            refused = sum(status in REFUSED for status, _ in results)
            answered += len(seconds)
            print(line(rate, len(results), refused, seconds), flush=True)
            if len(seconds) < len(results) / 2:
                break
        if not answered:
            print(f"error: no photo was answered; the last answer had the status {results[-1][0]} (0: none came)")
        self.environment.process_exit_code = 0 if answered else 1
        self.environment.runner.quit()

    def step(self, rate: float) -> list[tuple[int, float]]:
        """Status and seconds of each photo that left within `STEP` seconds; waits until all have come back."""
        results: list[tuple[int, float]] = []
        under_way = Group()
        begin = time.perf_counter()
        leaves = begin + random.expovariate(rate)
        while leaves < begin + STEP:
            gevent.sleep(max(leaves - time.perf_counter(), 0))
            under_way.spawn(self.send, leaves, results)
            leaves += random.expovariate(rate)
        gevent.sleep(max(begin + STEP - time.perf_counter(), 0))
        under_way.join()
        return results

    def send(self, leaves: float, results: list[tuple[int, float]]) -> None:
        answer = self.client.post("/predictions/emotion", data=self.photo, headers=self.headers)
        results.append((answer.status_code, time.perf_counter() - leaves))


def line(rate: float, sent: int, refused: int, seconds: list[float]) -> str:
    """A row: rates over the step, and quantiles of the answered photos' `seconds`, in order."""
    counts = (sent, len(seconds), refused, sent - len(seconds) - refused)
    times = [f"{quantile(seconds, share) * 1000:.0f} ms" if seconds else "–" for share in (0.5, 0.99)]
    return "| " + " | ".join([f"{rate:g}", *(f"{count / STEP:.1f}" for count in counts), *times]) + " |"


def quantile(ordered: list[float], share: float) -> float:
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
