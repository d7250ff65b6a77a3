"""The application's own book of what it did, to compare the metrics with. Copied beside each site's ``app.py``."""

import os

_BOOK = os.open("ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def received(page, size):
    """``page`` read a body of ``size`` bytes."""
    os.write(_BOOK, f"received {page} {size}\n".encode())


def raised(page, error_type):
    """``page`` is about to raise an ``error_type``."""
    os.write(_BOOK, f"{error_type} {page} 1\n".encode())
