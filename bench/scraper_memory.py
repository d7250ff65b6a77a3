"""``python -m bench.scraper_memory DIRECTORY`` scrapes it a few times and prints how much memory that took, in KiB."""

from __future__ import annotations

import os
import sys

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper

from .servers import memory_kib

_SCRAPES = 4


def main(directory: str) -> None:
    """Everything is imported before the first measure, so that only what the scrapes need is in the difference."""
    Scraper(DirectorySource(os.devnull)).render()
    before = memory_kib(os.getpid())
    scraper = Scraper(DirectorySource(directory))
    for _ in range(_SCRAPES):
        scraper.render()
    print(memory_kib(os.getpid()) - before)


if __name__ == "__main__":
    main(sys.argv[1])
