"""The recorder of an ASGI worker that also keeps exemplars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asgi_recorder import ASGIRecorder
from .asgi_request import ASGIRequest, Receive, Send
from .exemplars import ExemplaryRecorder
from .traces import sampled_trace


class ExemplaryASGIRecorder(ExemplaryRecorder, ASGIRecorder):
    """For ASGI."""

    @property
    def beginning_of_request(self) -> Callable[[dict[str, Any], Receive, Send], ASGIRequest]:
        begin = super().beginning_of_request
        if self._area is None:
            return begin

        def begin_traced(scope: dict[str, Any], receive: Receive, send: Send) -> ASGIRequest:
            found = [value for name, value in scope["headers"] if name == b"traceparent"]
            trace = sampled_trace(found[0].decode("latin-1")) if len(found) == 1 else None
            request = begin(scope, receive, send)
            request.trace = trace
            return request

        return begin_traced
