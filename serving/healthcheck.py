"""Exit with 0 if the service in this container can answer photos: `python -m serving.healthcheck`."""

import sys

from serving.addresses import Addresses
from serving.door import is_open

if __name__ == "__main__":
    sys.exit(0 if is_open(Addresses()) else 1)
