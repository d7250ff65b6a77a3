"""``top``: a live view of a server, from its metrics endpoint."""

from .command import TOP

__all__ = ["TOP"]
