"""Which requests are counted together, and not by their endpoint: health checks, static files."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalogue import UNMATCHED, UNROUTED

WITHOUT_ROUTE = frozenset({None, UNMATCHED})
"""The templates of requests that are judged by their path, too."""


class Exclusion:
    """The endpoints that ``patterns`` exclude; each ``*`` in these stands for any text, even none, with its slashes."""

    def __init__(self, patterns: Iterable[str]) -> None:
        split = [pattern.split("*") for pattern in patterns]
        self._exact = frozenset(pieces[0] for pieces in split if len(pieces) == 1)
        self._globs = [pieces for pieces in split if len(pieces) > 1]

    def covers_template(self, template: str | None) -> bool:
        """Whether requests of this endpoint are excluded, wherever they went."""
        return self._covers(template or UNROUTED)

    def covers_path(self, path: str) -> bool:
        """Whether requests of this ``path``, as in ``environ``, are excluded if they have no route."""
        return self._covers(path if path.isascii() else _text(path))

    def covers(self, template: str | None, path: str) -> bool:
        """Whether a request is excluded: by its endpoint, or by its ``path`` if it has no route."""
        return self.covers_template(template) or (template in WITHOUT_ROUTE and self.covers_path(path))

    def _covers(self, text: str) -> bool:
        if text in self._exact:
            return True
        return bool(self._globs) and any(_matches(pieces, text) for pieces in self._globs)


def _matches(pieces: list[str], text: str) -> bool:
    """Whether ``text`` is the ``pieces`` with anything in between. In linear time: it may be a client's path."""
    first, *middle, last = pieces
    if not text.startswith(first):
        return False
    position = len(first)
    for piece in middle:
        found = text.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return len(text) - position >= len(last) and text.endswith(last)


def _text(path: str) -> str:
    """WSGI has the bytes of a path as Latin-1, ASGI has its text."""
    try:
        return path.encode("latin-1").decode()
    except UnicodeError:
        return path
