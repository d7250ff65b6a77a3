"""The caretaker: a thread that retires what is gone, now and then."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Final

from ..settings import Settings
from .connection import RedisConnection, RedisTrouble
from .layout import Keys
from .retirer import Retirer

COMPONENT: Final = "redis"
THREAD_NAME: Final = "gunicorn-prometheus-retirer"
_SECONDS: Final = 5.0
_SECONDS_AFTER_TROUBLE: Final = 60.0


class Caretaker:
    """Runs a `Retirer` every few seconds, from `start` to `close`.

    ``on_failure`` is told what went wrong, and ``announce``, in a line, when Redis does not let it work. Both in the
    thread.
    """

    def __init__(
        self,
        settings: Settings,
        on_failure: Callable[[str, BaseException], None],
        announce: Callable[[str], object],
    ) -> None:
        self._announce = announce
        self._is_troubled = False
        self._retirer = Retirer(RedisConnection(settings), Keys(settings.redis_key_prefix), on_failure)
        self._on_failure = on_failure
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop, if it is not in the middle of something at once then soon: each step may be the last one."""
        self._stopped.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        pause = 0.0
        # Not all exporters of a fleet at the same moment.
        while not self._stopped.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - nothing to guess
            pause = _SECONDS
            try:
                self._retirer.run()
                self._is_troubled = False
            except RedisTrouble as error:
                if not self._is_troubled:
                    self._announce(f"What instances that are gone have counted is not put together for now: {error}")
                self._is_troubled = True
                pause = _SECONDS_AFTER_TROUBLE
            except Exception as error:
                self._on_failure(COMPONENT, error)
