"""The client's own metrics, for Prometheus, on a port of their own; they hold nothing of any photo."""

import socket

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from client.api import Answer, ServiceError

EVERYWHERE = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104, Prometheus must reach it
"""All addresses, of both families where there are two: a cluster may have only the one or only the other."""

REQUESTS = Counter("emotion_client_requests", "Photos sent to the service, by outcome.", ["outcome"])
# Every series is there at zero before its first photo, or Prometheus would not see the first as an increase.
for _outcome in (Answer.outcome, ServiceError.outcome, *(kind.outcome for kind in ServiceError.__subclasses__())):
    REQUESTS.labels(_outcome)
LATENCY = Histogram(
    "emotion_client_latency_seconds",
    "Round trip of answered photos as the client sees it.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10),
)
FACES = Counter("emotion_client_faces", "Faces in answered photos.")
IMAGES = Counter("emotion_client_images", "Photos that were answered.")
CAMERAS = Gauge("emotion_client_cameras", "Live cameras that are on; each of their frames counts as a photo.")
VIDEOS = Gauge("emotion_client_videos", "Videos that are being analysed; each of their pictures counts as a photo.")


def record(answer: Answer | ServiceError) -> None:
    """Count what became of one photo."""
    REQUESTS.labels(answer.outcome).inc()
    if isinstance(answer, Answer):
        LATENCY.observe(answer.round_trip)
        IMAGES.inc()
        FACES.inc(len(answer.analysis.faces))


def serve(port: int) -> None:
    """Serve the metrics at `port` on all addresses, for Prometheus to reach. Raises `OSError` if it is taken."""
    start_http_server(port, EVERYWHERE)
