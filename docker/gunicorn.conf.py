# Gunicorn in a container whose root file system is read-only.
wsgi_app = "app:app"
worker_class = "gunicorn_prometheus_exporter.PrometheusWorker"
bind = "0.0.0.0:8000"
# Workers touch a file there to show that they live; on a disk that can take long.
worker_tmp_dir = "/dev/shm"
# A file that newer Gunicorns make, for a command line that nobody runs in here.
control_socket_disable = True
