"""Rules and alerts for Prometheus and a dashboard for Grafana, as code; `monitoring.build` writes them into `k8s/`."""
