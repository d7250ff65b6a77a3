"""Applications of different frameworks, one mounted in the other: the outer template and the inner one, joined."""

from __future__ import annotations

import pytest
from flask import Flask
from pyramid.config import Configurator
from pyramid.wsgi import wsgiapp2
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from gunicorn_prometheus_exporter.testing import EXCEPTIONS, REQUESTS, RecordedMetrics
from gunicorn_prometheus_exporter_flask import PrometheusExporter


def flask_app() -> Flask:
    app = Flask("inner")
    app.add_url_rule("/who/<x>", view_func=lambda x: x, endpoint="who")
    app.add_url_rule("/bad", view_func=lambda: 1 // 0, endpoint="bad")
    PrometheusExporter(app)
    return app


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/tenants/acme/who/me", "/tenants/{name}/who/<x>"),
        ("/tenants/acme/bad", "/tenants/{name}/bad"),
        ("/tenants/acme/nowhere", "__unmatched__"),
        ("/site/tenants/acme/who/me", "/site/tenants/{name}/who/<x>"),
    ],
)
def test_flask_in_pyramid(path: str, endpoint: str) -> None:
    """Below a route that takes a client's value, be the whole mounted by a dispatcher or not."""
    with Configurator() as config:
        config.include("gunicorn_prometheus_exporter_pyramid")
        config.add_route("tenant", "/tenants/{name}/*subpath")
        config.add_view(wsgiapp2(flask_app()), route_name="tenant")
    outer = config.make_wsgi_app()
    metrics = RecordedMetrics()
    Client(metrics.wsgi(DispatcherMiddleware(outer, {"/site": outer}))).get(path, buffered=True)
    assert [labels["endpoint"] for labels in metrics.labels(REQUESTS)] == [endpoint]
    errors = [(labels["error_type"], labels["handled"], labels["source"]) for labels in metrics.labels(EXCEPTIONS)]
    assert errors == ([("ZeroDivisionError", "false", "flask")] if path.endswith("bad") else [])
