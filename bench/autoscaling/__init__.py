"""How the service should scale: measures the real server, then simulates a cluster of such servers."""
