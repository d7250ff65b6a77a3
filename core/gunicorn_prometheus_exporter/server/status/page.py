"""One response that needs nothing else: the page with its style and its script in it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_STYLE: Final = '<link rel="stylesheet" href="style.css">'
_SCRIPT: Final = '<script src="page.js"></script>'


class StatusPage(NamedTuple):
    """``body`` in UTF-8, and the headers that go with it."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


@cache
def status_page() -> StatusPage:
    """The page, read once. Its policy lets a browser run this very style and script, ask this very server, and do
    nothing else. Raises OSError.
    """
    html, style, script = (_read(name) for name in ("page.html", "style.css", "page.js"))
    body = html.replace(_STYLE, f"<style>{style}</style>").replace(_SCRIPT, f"<script>{script}</script>")
    policy = (
        "default-src 'none'",
        f"style-src {_hash(style)}",
        f"script-src {_hash(script)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", "; ".join(policy)),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
    )
    return StatusPage(headers, body.encode())


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
