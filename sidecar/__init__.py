"""Tells Kubernetes what TorchServe does not: whether it is ready, whether it is alive, how long its queue is.

TorchServe says "Healthy" while no worker can answer, and reports its queue only on the management address, which is
open to loopback alone. The sidecar asks there and serves the answers; it forwards no requests.
"""
