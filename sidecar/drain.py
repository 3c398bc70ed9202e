"""Take this pod out of service and return when its queue has stayed empty for a while: the server's `preStop`.

    python -m sidecar.drain

Asks the sidecar on loopback (`SIDECAR_PORT`, 8083). Always exits with 0, because Kubernetes stops the server next in
any case; what went wrong is printed.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT = 300.0
"""Seconds; longer than any sensible termination grace period, which cuts this off."""


def main() -> None:
    url = f"http://127.0.0.1:{os.environ.get('SIDECAR_PORT', '8083')}/drain"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=TIMEOUT) as response:
            print(response.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
    except OSError as error:
        print(f"the sidecar did not answer at {url}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
