"""The source of monitoring/grafana/gunicorn.json: one module a row, ``python -m monitoring.dashboard`` writes it."""
