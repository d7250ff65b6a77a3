"""The gevent worker."""

import warnings

from gevent.monkey import MonkeyPatchWarning
from gunicorn.workers.ggevent import GeventWorker

from .connections import CountsConnections

# The master has loaded redis-py, of which only the part for asyncio keeps something of its own of what is patched.
_REDIS_ALONE = r"(?s).*NOT patched\): \[('redis\.asyncio\.[^']*'(, )?)+\]"


class PrometheusGeventWorker(CountsConnections, GeventWorker):
    """Gunicorn's gevent worker, measured."""

    def patch(self) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _REDIS_ALONE, MonkeyPatchWarning)
            super().patch()
