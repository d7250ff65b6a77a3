"""From the route that Django matched to the template that names an endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_IS_A_REGEX: Final = re.compile(r"\^|.*(?:[(\\]|\$$)", re.DOTALL)

_TOKEN: Final = re.compile(
    r"""
      (?P<named>\(\?P<(?P<name>\w+)>)
    | (?P<reference>\(\?P=(?P<referred>\w+)\))
    | (?P<plain>\(\?(?:[aiLmsux-]*:|>))
    | (?P<invisible>\(\?)
    | (?P<unnamed>\()
    | (?P<close>\))
    | (?P<alternative>\|)
    | (?P<converter><[^>]*>)
    | (?P<some>\[\^?\]?(?:\\.|[^\]\\])*\]|\\[dDwWsS]|\.(?=[*+?{]))
    | (?P<nothing>[\^$]|\\[AbBZz])
    | (?P<repeat>[*+?]|\{\d*,?\d*\})
    | (?P<literal>\\?.)
    """,
    re.VERBOSE | re.DOTALL,
)

_VARIABLE: Final = "<var>"


@lru_cache(maxsize=4096)
def template_of(route: str) -> str:
    r"""The endpoint template of ``route``, a `ResolverMatch.route`: with a leading slash, no regular expressions.

    A route of ``path()`` stays as it is: ``users/<int:id>/`` gives ``/users/<int:id>/``. Of one of ``re_path()`` the
    named groups become ``<name>``, everything else that may vary ``<var>``, and anchors go:
    ``^archive/(?P<year>[0-9]{4})/(\d+)/$`` gives ``/archive/<year>/<var>/``.

    Django's own ``simplify_regex`` is not used: it mangles some routes, such as those with an unnamed group after an
    included one, and drops what is in a group that does not capture.
    """
    if _IS_A_REGEX.match(route):
        route = _sequence(_TOKEN.finditer(route))
    return f"/{route}"


def _sequence(tokens: Iterator[re.Match[str]]) -> str:
    """What the tokens up to the end of their group, or of the route, match, with its variable parts named."""
    parts: list[str] = []
    alternatives = False
    for token in tokens:
        kind = token.lastgroup
        if kind == "close":
            break
        alternatives = alternatives or kind == "alternative"
        part = _part(token, tokens)
        # Two variable parts in a row are one: [a-z]\w*
        if part and not (part == _VARIABLE and parts[-1:] == [_VARIABLE]):
            parts.append(part)
    return _VARIABLE if alternatives else "".join(parts)


def _part(token: re.Match[str], tokens: Iterator[re.Match[str]]) -> str:
    kind = token.lastgroup
    if kind in ("named", "unnamed", "plain", "invisible"):
        inner = _sequence(tokens)
        if kind == "named":
            return f"<{token['name']}>"
        return {"unnamed": _VARIABLE, "plain": inner}.get(str(kind), "")
    if kind == "reference":
        return f"<{token['referred']}>"
    if kind == "some":
        return _VARIABLE
    if kind in ("converter", "literal"):
        return token[0].removeprefix("\\")
    return ""
