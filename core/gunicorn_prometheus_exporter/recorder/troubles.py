"""What goes wrong with requests: exceptions, responses cut short, requests refused, series over the cap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from ..catalogue import CATALOGUE, ESCAPED_EXCEPTIONS
from ..gunicorn_versions import PARSE_ERROR_REASONS
from ..note import NotedException
from ..settings import Settings
from ..storage.segments import Segments
from .series import BoundedNames, CappedCounter, capped_counter

_EXCEPTIONS: Final = CATALOGUE["gunicorn_http_exceptions"]
_ABORTED: Final = CATALOGUE["gunicorn_http_aborted_responses"]
_PARSE_ERRORS: Final = CATALOGUE["gunicorn_http_parse_errors"]
_DROPPED: Final = CATALOGUE["gunicorn_exporter_dropped_series"]
_ERRORS: Final = CATALOGUE["gunicorn_exporter_errors"]


class Troubles:
    """Counters of what went wrong. Not thread-safe: the recorder's lock covers every call."""

    def __init__(self, segments: Segments, settings: Settings) -> None:
        counter = partial(capped_counter, segments, settings)
        self._aborted = counter(_ABORTED, "endpoint")
        self._exceptions = counter(_EXCEPTIONS, "endpoint", "error_type")
        self._escaped = counter(ESCAPED_EXCEPTIONS, "endpoint", "error_type")
        self._parse_errors = counter(_PARSE_ERRORS)
        for reason in PARSE_ERROR_REASONS:
            self._parse_errors.start(reason)
        self._dropped = counter(_DROPPED)
        self._errors = counter(_ERRORS)
        self._error_types = BoundedNames(settings.max_error_types)

    def exceptions(
        self, method: str, endpoint: str, noted: Sequence[NotedException], escaped: BaseException | None
    ) -> None:
        """Count the exceptions ``noted``, and once more, for the families by worker, the one that ``escaped``."""
        for exception in noted:
            self._exception(method, endpoint, exception.error_type, exception.handled, exception.source)
        if escaped is not None:
            name = self._error_types.bounded(type(escaped).__name__)
            self._count(self._escaped, ESCAPED_EXCEPTIONS.name, method, endpoint, name)

    def aborted(self, method: str, endpoint: str) -> None:
        """Count a response that was cut short."""
        self._count(self._aborted, _ABORTED.name, method, endpoint)

    def refused(self, reason: str) -> None:
        """Count a request that Gunicorn refused before the application saw it."""
        self._parse_errors.increment(reason)

    def dropped(self, family: str) -> None:
        """Count an observation that went to an overflow label because ``family`` is at its cap."""
        self._dropped.increment(family)

    def failed(self, component: str) -> None:
        """Count a failure of the exporter itself."""
        self._errors.increment(component)

    def _exception(self, method: str, endpoint: str, error_type: str, handled: bool, source: str) -> None:
        labels = (self._error_types.bounded(error_type), "true" if handled else "false", source)
        self._count(self._exceptions, _EXCEPTIONS.name, method, endpoint, *labels)

    def _count(self, counter: CappedCounter, family: str, *values: str) -> None:
        if not counter.increment(*values):
            self.dropped(family)
