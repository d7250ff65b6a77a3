"""The files on the shelf."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.http import Http404


class NoSuchFile(Http404):
    """A file that is not on the shelf. Django answers it with the 404 page."""


def shelf() -> Path:
    """The directory of the files."""
    directory = Path(settings.SHELF)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def file_on_shelf(name: str) -> Path:
    """The path of a file. Raises NoSuchFile."""
    path = shelf() / Path(name).name
    if not path.is_file():
        raise NoSuchFile(name)
    return path


def files() -> list[Path]:
    """All files, by name."""
    return sorted(shelf().iterdir())
