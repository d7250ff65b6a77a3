"""The recorder: what one worker writes down about each request, all at once when the last byte is out."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

from ..catalogue import CATALOGUE, OTHER_METHOD, UNROUTED
from ..gil import one_at_a_time
from ..gunicorn_versions import body_meter, peer_is_trusted
from ..settings import Settings
from ..storage.journal import BUSY_WORD, FREE, NO_RESPONSE_YET, SCRATCH_CELL, Journal, Unfinished, encoded_method
from ..storage.segments import Segments
from .exclusion import Exclusion
from .outcome import Outcome, failed_outcome, page_bytes, response_status
from .queue_time import QueueTime
from .request import RecordedRequest, TimedRequest
from .request_series import DURATION, FIRST_BYTE, RECEIVED, REQUESTS, SENT, RequestCells, RequestKey, RequestSeries
from .series import HistogramCells, counter_key, gauge_key, segment_for
from .troubles import Troubles

_IN_PROGRESS: Final = CATALOGUE["gunicorn_worker_requests_in_progress"]
_REQUEST_SECONDS: Final = CATALOGUE["gunicorn_worker_request_seconds"]

_SCHEMES: Final = ("http", "https")


def bucket_of_bits(bounds: tuple[float, ...]) -> tuple[int, ...] | None:
    """The bucket of each size of which ``size - 1`` has that many bits; None unless all bounds are powers of two."""
    if not all(bound.is_integer() and bound >= 2.0 and int(bound).bit_count() == 1 for bound in bounds):
        return None
    return tuple(bisect_left(bounds, 1 << bits) for bits in range(65))


Begin = Callable[[Mapping[str, Any], Callable[..., Any]], RecordedRequest]


class Recorder:
    """Records the requests of the worker whose ``segments`` and ``journal`` these are.

    One dictionary look-up gives the places of all of a request's numbers. The lines that write them make no call, so
    that neither another thread nor a signal handler that raises can come between: a request is counted whole, or it
    is still in the journal. So they need no lock either, which would cost as much as half of them.
    """

    def __init__(self, segments: Segments, journal: Journal, settings: Settings) -> None:
        self._journal = journal
        self._lock = threading.RLock()
        self._counters = segments.get("counter")
        self._histograms = segments.get("histogram")
        self._gauges = segment_for(segments, _IN_PROGRESS, settings, "livesum")
        self.exclusion = Exclusion(settings.excluded_endpoints) if settings.excluded_endpoints else None
        self._series = RequestSeries(segments, settings, self.exclusion)
        self._schemes = (
            {scheme: self._series.of_scheme(scheme) for scheme in _SCHEMES} if settings.naming == "otel" else {}
        )
        self._durations = settings.in_force(DURATION).buckets
        self._first_bytes = settings.in_force(FIRST_BYTE).buckets
        self._short = self._durations[0]
        self._receiveds, self._sents = settings.in_force(RECEIVED).buckets, settings.in_force(SENT).buckets
        self._received_of_bits, self._sent_of_bits = bucket_of_bits(self._receiveds), bucket_of_bits(self._sents)
        self._troubles = Troubles(segments, settings)
        self._queue_time = QueueTime(self._histograms, peer_is_trusted, settings)
        self._request_class = (
            TimedRequest if settings.time_to_first_byte and settings.records(FIRST_BYTE) else RecordedRequest
        )
        by_method = {method: (method, encoded_method(method), known) for method, known in self._series.known.items()}
        self._other_method = by_method.pop(OTHER_METHOD)
        self._methods = by_method
        worker = {"worker_id": segments.owner}
        self._request_seconds_cell = (
            self._counters.index(counter_key(_REQUEST_SECONDS, worker)) if settings.records(_REQUEST_SECONDS) else None
        )
        self._in_progress_cell = self._gauges.index(gauge_key(_IN_PROGRESS, worker))
        self._in_progress = 0.0
        self.is_held = False
        self._busy = 0.0
        self._busy_since = 0.0

    @property
    def beginning(self) -> Begin:
        """What a request begins with: `begin`, and what the settings ask for besides."""
        return self._begin_apart if self._tells_apart else self.begin

    def _begin_apart(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> RecordedRequest:
        request = self.begin(environ, start_response)
        self._tell_apart(request, environ["wsgi.url_scheme"], environ["PATH_INFO"])
        return request

    @property
    def _tells_apart(self) -> bool:
        return bool(self._schemes) or self.exclusion is not None

    def _tell_apart(self, request: RecordedRequest, scheme: str, path: str) -> None:
        """Give ``request`` the cells for requests like it, where not all are alike."""
        series = self._schemes.get(scheme, self._series)
        if series.of_excluded_paths is not None and self.exclusion is not None and self.exclusion.covers_path(path):
            series = series.of_excluded_paths
        request.known = series.known[request.method]

    @one_at_a_time
    def begin(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> RecordedRequest:
        """The application is about to be called with ``environ`` and Gunicorn's ``start_response``."""
        method, method_code, known = self._methods.get(environ["REQUEST_METHOD"], self._other_method)
        if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
            with self._lock:
                self._queue_time.observe(environ, start_response.__self__.req)  # type: ignore[attr-defined]
        request: RecordedRequest = self._request_class()
        request.template = request.exceptions = request.meter = None
        request.client_left = False
        request.prefix = ""
        request.path = environ["PATH_INFO"]
        request.method = method
        request.known = known
        request.status = 0
        request.started = 0.0
        request._start_response = start_response
        request.response = start_response.__self__  # type: ignore[attr-defined]  # always Gunicorn's Response
        body = environ["wsgi.input"]
        try:
            request.body = reader = body.reader
            has_body = reader.length > 0
        except AttributeError:
            has_body = True
        if has_body:
            request.body = body_meter(body)
        request.journal = journal = self._journal
        try:
            cell = journal.free.pop()
        except IndexError:
            cell = SCRATCH_CELL
        request.cell = cell
        status_word, start_word, method_word, length_word, _ = cell
        words, doubles, gauges = journal.words, journal.doubles, self._gauges.cells
        request.start = start = monotonic()
        # From here on no call: see the class.
        doubles[start_word] = start
        words[method_word] = method_code
        words[length_word] = 0
        words[status_word] = NO_RESPONSE_YET
        self._in_progress = in_progress = self._in_progress + 1.0
        gauges[self._in_progress_cell] = in_progress
        if in_progress == 1.0 and not self.is_held:
            self._busy_since = start
            doubles[BUSY_WORD] = self._busy - start
        return request

    @one_at_a_time
    def finish(self, request: RecordedRequest, error: BaseException | None) -> None:
        """The last byte of ``request`` is out, or ``error`` keeps it from going out."""
        now = monotonic()
        response = request.response
        sent = response.sent if request.meter is None else response.sent + request.meter.sent
        if error is None:
            outcome, status = None, request.status or response_status(response)
        else:
            outcome = failed_outcome(error, response, sent)
            status = outcome.status
            sent += page_bytes(outcome, response)
        self._write(request, now, -request.body.length, sent, status)
        if outcome is not None or request.exceptions is not None or request.client_left:
            self._write_troubles(request, outcome)

    def hold(self) -> None:
        """The worker is busy from now on, whether or not a request is in progress, until `release`."""
        if self.is_held:
            return
        now = monotonic()
        self.is_held = True
        if self._in_progress == 0.0:
            self._busy_since = now
            self._journal.doubles[BUSY_WORD] = self._busy - now

    def release(self) -> None:
        """Undo `hold`."""
        if not self.is_held:
            return
        now = monotonic()
        self.is_held = False
        if self._in_progress == 0.0:
            self._busy += now - self._busy_since
            self._journal.doubles[BUSY_WORD] = self._busy

    def refuse(self, reason: str) -> None:
        """A request was refused before the application saw it, for ``reason``, one of a fixed list."""
        with self._lock:
            self._troubles.refused(reason)

    def failed(self, component: str) -> None:
        """The exporter itself failed in ``component``."""
        with self._lock:
            self._troubles.failed(component)

    def recover_all(self) -> None:
        """Count the requests that an earlier worker of this slot did not live to count, and forget them.

        How many bytes they moved died with the worker, so the sizes get no observation of them. Raises
        SegmentFullError, OSError if some could not be counted; they are forgotten too.
        """
        failure: Exception | None = None
        for unfinished in self._journal.unfinished():
            try:
                self._recover(unfinished)
            except Exception as error:
                failure = error
        self._journal.clear()
        if failure is not None:
            raise failure

    def _recover(self, unfinished: Unfinished) -> None:
        method, *_ = self._methods.get(unfinished.method, self._other_method)
        endpoint = unfinished.endpoint or None
        elapsed = max(monotonic() - unfinished.start, 0.0)
        index, buckets, total, *_ = self._resolve((method, endpoint, unfinished.status or 500), self._series)
        with self._lock:
            if index is not None:
                self._counters.cells[index] += 1.0
            if buckets is not None:
                self._histograms.cells[buckets[bisect_left(self._durations, elapsed)]] += 1.0
                self._histograms.cells[total] += elapsed
            if self._request_seconds_cell is not None:
                self._counters.cells[self._request_seconds_cell] += elapsed
            if not unfinished.status and not self._series.excludes(endpoint):
                self._troubles.aborted(method, endpoint or UNROUTED)

    def _write(self, request: RecordedRequest, now: float, received: int, sent: int, status: int) -> None:
        try:
            cells = request.known[request.template][status]
        except KeyError:
            cells = self._resolve_or_give_up(request, status, now)
        index, durations, duration_sum, receiveds, received_sum, sents, sent_sum, first_byte = cells
        duration = now - request.start
        # The shorter a request, the more it counts what its measuring costs: so the first bucket is found at once.
        if durations is not None:
            duration_bucket = durations[0 if duration <= self._short else bisect_left(self._durations, duration)]
        if receiveds is not None:
            of_bits = self._received_of_bits
            if not received:
                received_bucket = receiveds[0]
            elif of_bits is not None:
                received_bucket = receiveds[of_bits[(received - 1).bit_length()]]
            else:
                received_bucket = receiveds[bisect_left(self._receiveds, received)]
        if sents is not None:
            of_bits = self._sent_of_bits
            if of_bits is not None:
                sent_bucket = sents[of_bits[(sent - 1).bit_length()]]
            else:
                sent_bucket = sents[bisect_left(self._sents, sent)]
        seconds_cell = self._request_seconds_cell
        cell, journal = request.cell, request.journal
        words, doubles, status_word = journal.words, journal.doubles, cell[0]
        counters, histograms, gauges = self._counters.cells, self._histograms.cells, self._gauges.cells
        # From here on no call: see the class.
        if index is not None:
            counters[index] += 1.0
        words[status_word] = FREE
        if durations is not None:
            histograms[duration_bucket] += 1.0
            histograms[duration_sum] += duration
        if receiveds is not None:
            histograms[received_bucket] += 1.0
            if received:
                histograms[received_sum] += received
        if sents is not None:
            histograms[sent_bucket] += 1.0
            histograms[sent_sum] += sent
        if seconds_cell is not None:
            counters[seconds_cell] += duration
        self._in_progress = in_progress = self._in_progress - 1.0
        gauges[self._in_progress_cell] = in_progress
        if in_progress == 0.0 and not self.is_held:
            self._busy += now - self._busy_since
            doubles[BUSY_WORD] = self._busy
        # A thread of the application's that speaks on, now too late, must not write into the cell's next request.
        request.cell = SCRATCH_CELL
        if cell is not SCRATCH_CELL:
            journal.free.append(cell)
        if first_byte is not None and request.started:
            self._observe(first_byte, request.started - request.start)

    def _resolve_or_give_up(self, request: RecordedRequest, status: int, now: float) -> RequestCells:
        try:
            key = request.method, request.template, status
            return self._resolve(key, self._series_of(request))
        except Exception:
            self._give_up(request, now)
            raise

    def _give_up(self, request: RecordedRequest, now: float) -> None:
        """There is no room to count ``request``, but it is over.

        Its lines are in `_write` too, where they are not a call because nothing may come between them.
        """
        journal, cell = request.journal, request.cell
        words = journal.words
        words[cell[0]] = FREE
        self._in_progress -= 1.0
        self._gauges.cells[self._in_progress_cell] = self._in_progress
        if self._in_progress == 0.0 and not self.is_held:
            self._busy += now - self._busy_since
            journal.doubles[BUSY_WORD] = self._busy
        request.cell = SCRATCH_CELL
        if cell is not SCRATCH_CELL:
            journal.free.append(cell)

    def _observe(self, cells: HistogramCells, seconds: float) -> None:
        bucket = cells.buckets[bisect_left(self._first_bytes, seconds)]
        histograms = self._histograms.cells
        histograms[bucket] += 1.0
        histograms[cells.sum] += seconds

    def _write_troubles(self, request: RecordedRequest, outcome: Outcome | None) -> None:
        if self.exclusion is not None and self._series_of(request).excludes(request.template):
            return
        method, endpoint = request.method, request.template or UNROUTED
        escaped = outcome.escaped if outcome is not None else None
        if escaped is not None:
            request.unhandled(escaped, "wsgi")
        with self._lock:
            self._troubles.exceptions(method, endpoint, request.exceptions or (), escaped)
            if request.client_left or (outcome is not None and outcome.aborted):
                self._troubles.aborted(method, endpoint)
        request.exceptions = None

    def _series_of(self, request: RecordedRequest) -> RequestSeries:
        for series in (self._series, *self._schemes.values()):
            for one in (series, series.of_excluded_paths):
                if one is not None and one.known[request.method] is request.known:
                    return one
        return self._series

    def _resolve(self, key: RequestKey, series: RequestSeries) -> RequestCells:
        with self._lock:
            cells, is_its_own = series.resolve(key)
            if not is_its_own:
                self._troubles.dropped(REQUESTS.name)
        return cells
