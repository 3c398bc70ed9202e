"""Exit with 0 if TorchServe in this container can answer photos: `python -m serving.healthcheck`."""

import sys

from serving.server import Addresses, is_ready

if __name__ == "__main__":
    sys.exit(0 if is_ready(Addresses()) else 1)
