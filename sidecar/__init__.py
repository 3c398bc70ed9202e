"""What Kubernetes wants to know about a TorchServe and cannot ask it: has it started, is it alive, how long is
its queue.

TorchServe says "Healthy" while no worker can answer, and tells the length of its queue only on its management address,
which nobody but loopback may reach. This process reads it there and serves the answers; it passes nothing on.
"""
