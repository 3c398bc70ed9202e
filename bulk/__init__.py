"""Archives of millions of photographs: Ray Data over the package `emotion`, from URIs to Parquet."""

import os

# Before anything imports Ray: it must tell nobody that it runs, and its core's log is in its files, not among ours.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
