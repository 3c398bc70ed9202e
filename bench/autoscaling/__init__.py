"""How the service should scale: the real server measured, then a cluster of such servers simulated."""
