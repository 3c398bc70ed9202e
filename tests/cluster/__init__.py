"""The manifests on a real cluster, for whoever has a container engine; what can be tested without one is here too."""
