"""Scrapes of one endpoint, in a thread of their own: a server that hangs must not hang the keyboard."""

from __future__ import annotations

import argparse
import http.client
import threading
import time
from typing import Final
from urllib.parse import SplitResult

from ..reach import connect, get
from .exposition import Exposition, parse
from .picture import Picture, picture

_PATH: Final = "/metrics"


class Scraping:
    """Scrapes ``url`` every ``interval`` seconds, with ``headers``, once it is started."""

    def __init__(self, url: SplitResult, headers: dict[str, str], arguments: argparse.Namespace) -> None:
        self.picture: Picture | None = None
        self.trouble = ""
        self.paused = False
        self._url = url
        self._headers = {**headers, "Accept": "text/plain;version=0.0.4"}
        self._arguments = arguments
        self._last: Exposition | None = None

    def start(self) -> None:
        threading.Thread(target=self._go_on, daemon=True).start()

    def look(self) -> None:
        """Scrape once. What goes wrong is in ``trouble``, and the picture stays as it was."""
        path = self._url.path if len(self._url.path) > 1 else _PATH
        try:
            status, body = get(connect(self._url, self._arguments), path, self._headers)
            if status != http.client.OK:
                raise OSError(f"status {status}")
            now = parse(body.decode("utf-8", "replace"), time.monotonic())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.trouble = f"no metrics: {error or type(error).__name__}"
            return
        if not self._is_restart(now):
            assert self._last is not None  # noqa: S101 - what is no restart has a scrape before
            self.picture = picture(self._last, now)
        self._last, self.trouble = now, ""

    def _is_restart(self, now: Exposition) -> bool:
        """Whether nothing can be told from ``now`` alone: it is the first, or of another master."""
        name = "gunicorn_master_start_time_seconds"
        return self._last is None or self._last.of(name) != now.of(name)

    def _go_on(self) -> None:
        while True:
            if not self.paused:
                self.look()
            time.sleep(self._arguments.interval)
