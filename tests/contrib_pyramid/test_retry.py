"""pyramid_retry: several attempts are one request, and each attempt's exception is one."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid_retry import RetryableException

from tests.contrib_pyramid.conftest import Ask


class Conflict(RetryableException):
    pass


def app_failing(times: int, *, exception_view: bool = False) -> Any:
    """An application the view of which fails so often, and is tried three times."""
    left = [times]

    def view(request: Any) -> Response:
        assert request.body == b"body", "each attempt has the whole body"
        if left[0]:
            left[0] -= 1
            raise Conflict
        return Response("ok")

    config = Configurator(settings={"retry.attempts": 3})
    config.include("pyramid_retry")
    config.include("gunicorn_prometheus_exporter_pyramid")
    if exception_view:
        config.add_exception_view(lambda request: Response("busy", status=503), context=Conflict)
    config.add_route("save", "save/{id}")
    config.add_view(view, route_name="save")
    return config.make_wsgi_app()


CURED, FAILED = ("Conflict", "true", "pyramid"), ("Conflict", "false", "pyramid")


@pytest.mark.parametrize("exception_view", [False, True])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_cured(ask: Ask, times: int, exception_view: bool) -> None:
    """The client got its answer, so what a retry cured is handled, whether or not an exception view spoke first."""
    seen = ask(app_failing(times, exception_view=exception_view), "/save/1", "POST", body=b"body")
    assert seen == (200, "/save/{id}", (CURED,) * times)


def test_not_cured(ask: Ask) -> None:
    """The last attempt's exception is the one that failed the request."""
    assert ask(app_failing(3), "/save/1", "POST", body=b"body") == (500, "/save/{id}", (FAILED, CURED, CURED))


def test_answered_at_last(ask: Ask) -> None:
    seen = ask(app_failing(3, exception_view=True), "/save/1", "POST", body=b"body")
    assert seen == (503, "/save/{id}", (CURED,) * 3)
