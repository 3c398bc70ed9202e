"""Runs inside a pod of the page, which has the client: sends photos over and over, and prints what became of them.

    kubectl exec -i POD -- python - THREADS SECONDS < tests/cluster/sender.py

With `SECONDS` 0 each thread sends one photo. Prints a line of JSON: how many were answered, how many faces they had,
and by its name how often each error came although the client had tried again, as the page does.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from client.api import EmotionClient, ServiceError

PHOTO = Path("client/samples/Both.jpg")


def main() -> None:
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    photo = PHOTO.read_bytes()
    counts: Counter[str] = Counter()
    lock = threading.Lock()
    until = time.monotonic() + seconds

    def send() -> None:
        server, token = os.environ["EMOTION_SERVER"], os.environ.get("EMOTION_TOKEN", "")
        while True:
            # A new client for each photo, and so a new connection: kube-proxy gives connections to pods.
            with EmotionClient(server, token=token, retries=int(os.environ.get("EMOTION_RETRIES", "4"))) as client:
                try:
                    found = {"answered": 1, "faces": len(client.analyse(photo).analysis.faces)}
                except ServiceError as error:
                    found = {f"{type(error).__name__}: {error}": 1}
            with lock:
                counts.update(found)
            if time.monotonic() >= until:
                return

    senders = [threading.Thread(target=send) for _ in range(threads)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    answered, faces = counts.pop("answered", 0), counts.pop("faces", 0)
    print(json.dumps({"answered": answered, "faces": faces, "errors": counts}))


if __name__ == "__main__":
    main()
