"""The client's own metrics, for Prometheus, on a port of their own; they hold nothing of any photo."""

from prometheus_client import Counter, Histogram, start_http_server

from client.api import Answer, ServiceError

REQUESTS = Counter("emotion_client_requests", "Photos sent to the service, by outcome.", ["outcome"])
LATENCY = Histogram(
    "emotion_client_latency_seconds",
    "Round trip of answered photos as the client sees it.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10),
)
FACES = Counter("emotion_client_faces", "Faces in answered photos.")
IMAGES = Counter("emotion_client_images", "Photos that were answered.")


def record(answer: Answer | ServiceError) -> None:
    """Count what became of one photo."""
    if isinstance(answer, Answer):
        REQUESTS.labels("ok").inc()
        LATENCY.observe(answer.round_trip)
        IMAGES.inc()
        FACES.inc(len(answer.analysis.faces))
    else:
        REQUESTS.labels(answer.outcome).inc()


def serve(port: int) -> None:
    """Serve the metrics at `port` on all addresses, for Prometheus to reach. Raises `OSError` if it is taken."""
    start_http_server(port)
