"""Run the page: `python -m client`, from the repository's root; options are those of `streamlit run`.

Its metrics are there from the first moment, not from the first visit, and nothing is served with wrong settings.
"""

import sys
import warnings
from pathlib import Path

from streamlit.web import cli

from client import forgetting, hosts, memory, metrics, settings

APP = Path(__file__).with_name("served.py")


def main() -> None:
    warnings.filterwarnings("ignore", module="PIL")  # they quote what a photo says of itself
    memory.return_at_once()
    hosts.ask_no_stranger()
    try:
        ours = settings.from_environment()
        port = ours.metrics_port
        if port:
            metrics.serve(port)
    except ValueError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: port {port} cannot be had ({error.strerror}); set EMOTION_METRICS_PORT to another")
    forgetting.start(ours.reconnect)
    # Streamlit's own start, in this process: the pages count with the same counters that are served here.
    cli.main(["run", str(APP), *sys.argv[1:]])


if __name__ == "__main__":
    main()
