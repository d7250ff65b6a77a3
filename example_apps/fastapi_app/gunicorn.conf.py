worker_class = "gunicorn_prometheus_exporter.PrometheusASGIWorker"
workers = 2
bind = "127.0.0.1:8000"
