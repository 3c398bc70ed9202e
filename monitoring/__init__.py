"""What Prometheus computes and Grafana shows: rules, alerts and a dashboard as code, written into `k8s/`."""
