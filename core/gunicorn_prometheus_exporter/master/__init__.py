"""What the exporter does in Gunicorn's master: storage, hooks, lifecycle, samples and the metrics endpoint."""
