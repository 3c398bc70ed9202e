"""Archives of millions of photographs: Ray Data over the package `emotion`, from URIs to Parquet."""

import os

# Before anything imports Ray: it must tell nobody that it runs.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
