"""What a scraper accepts: the exposition format and the content encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

TEXT_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_UNWANTED: Final = (0.0, 0, 0)
_QUALITY: Final = re.compile(r"[01](\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class _Range:
    """One element of an Accept or Accept-Encoding header, with its place in the header."""

    name: str
    parameters: Mapping[str, str]
    quality: float
    place: int


@dataclass(frozen=True, slots=True)
class _Format:
    media_type: str
    version: str

    def preference(self, ranges: list[_Range]) -> tuple[float, int, int]:
        """How much ``ranges`` want this format; bigger is more: quality, then how exact, then how early.

        The most exact range decides, as RFC 9110 12.5.1 has it. Other parameters than the version, such as
        ``escaping`` and ``charset``, rule nothing out: every name we expose is the same in each of them.
        """
        matches = [(self._exactness(each), each.quality, -each.place) for each in ranges]
        exactness, quality, place = max((match for match in matches if match[0]), default=(0, 0.0, 0))
        return (quality, exactness, place) if quality else _UNWANTED

    def _exactness(self, media_range: _Range) -> int:
        if media_range.name == "*/*":
            return 1
        if media_range.name == f"{self.media_type.partition('/')[0]}/*":
            return 2
        if media_range.name != self.media_type:
            return 0
        version = media_range.parameters.get("version")
        if version is None:
            return 3
        return 4 if version == self.version else 0


_TEXT: Final = _Format("text/plain", "0.0.4")
_OPENMETRICS: Final = _Format("application/openmetrics-text", "1.0.0")


def prefers_openmetrics(accept: str) -> bool:
    """Whether ``accept`` (an Accept header, ``""`` if there is none) asks for OpenMetrics 1.0.0 before text 0.0.4.

    Text is the answer to everybody else, even to those who accept neither: a person with a browser, or a
    scraper that asks for versions we do not speak, is better served by it than by an error.
    """
    ranges = list(_parse_ranges(accept))
    return _OPENMETRICS.preference(ranges) > _TEXT.preference(ranges)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether ``accept_encoding`` (an Accept-Encoding header, ``""`` if there is none) wants gzip at least as much
    as no encoding."""
    quality = {each.name: each.quality for each in _parse_ranges(accept_encoding)}
    others = quality.get("*", 0.0)
    gzip = quality.get("gzip", quality.get("x-gzip", others))
    return gzip > 0 and gzip >= quality.get("identity", others)


def _parse_ranges(header: str) -> Iterator[_Range]:
    for place, element in enumerate(header.split(",")):
        name, *rest = (part.strip() for part in element.split(";"))
        if not name:
            continue
        parameters = {}
        for parameter in rest:
            key, _, value = parameter.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        yield _Range(name.lower(), parameters, _parse_quality(parameters.pop("q", "1")), place)


def _parse_quality(text: str) -> float:
    """``text`` as a number from 0 to 1. What cannot be read is not wanted."""
    return min(float(text), 1.0) if _QUALITY.fullmatch(text) else 0.0
