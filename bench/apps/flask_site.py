"""One Flask application: alone, with the bridge, with prometheus-flask-exporter."""

from __future__ import annotations

from flask import Flask


def bare() -> Flask:
    app = Flask(__name__)

    @app.get("/users/<int:number>")
    def show(number: int) -> str:
        return f"user {number}"

    return app


def bridged() -> Flask:
    from gunicorn_prometheus_exporter_flask import PrometheusExporter

    app = bare()
    PrometheusExporter(app)
    return app


def flask_exporter() -> Flask:
    from prometheus_flask_exporter.multiprocess import GunicornPrometheusMetrics

    app = bare()
    GunicornPrometheusMetrics(app)
    return app
