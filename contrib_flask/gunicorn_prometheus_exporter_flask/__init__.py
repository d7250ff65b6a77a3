"""Flask bridge of gunicorn-prometheus-exporter: the route template of each request and the errors Flask handled."""

from .extension import PrometheusExporter

__all__ = ["PrometheusExporter"]
