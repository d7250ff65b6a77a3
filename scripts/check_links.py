"""Finds links that lead nowhere: in the pages, in the built site, and in what names a page (rules, dashboard, code).

Usage: ``python scripts/check_links.py`` builds the site and says what is broken; ``--external`` also lists the links
to other hosts, of which only the form is checked, since that works offline. Exit status: 0 nothing is broken, 1 it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import markdown

ROOT: Final = Path(__file__).resolve().parent.parent

# Pages that are read as they are, in a repository's browser: those of docs/ in the site, too.
PAGES: Final = ("*.md", "docs/**/*.md", "example_apps/*/README.md", "tests/docs/*.md", "k8s/**/*.md", "docker/**/*.md")
# Where pages are named: runbook links of alerts and panels, messages, comments.
NAMING: Final = (
    "monitoring",
    "deploy",
    "k8s",
    "docker",
    "helm",
    "core",
    "contrib_*",
    "example_apps",
    "bench",
    "scripts",
)
_NAMED: Final = re.compile(r"(?<![\w/.-])docs/[\w/.-]+\.md(?:#[\w-]+)?")
# Written where they are measured, not kept.
_MADE: Final = frozenset({"docs/performance.md"})

# Tags whose address a browser fetches by itself.
_FETCHED: Final = frozenset({"audio", "embed", "iframe", "img", "link", "script", "source", "video"})
_NOT_FETCHED_RELATIONS: Final = frozenset({"canonical", "next", "prev", "alternate"})
_CSS_ADDRESS: Final = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


@dataclass(slots=True)
class Page:
    """What a page of HTML has: the links with whether a browser fetches them, and the anchors."""

    links: list[tuple[str, bool]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


class _Parser(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._page.anchors.update(values[name] for name in ("id", "name") if name in values)
        fetched = tag in _FETCHED and values.get("rel") not in _NOT_FETCHED_RELATIONS
        self._page.links.extend((values[name], fetched) for name in ("href", "src") if name in values)


def read_html(text: str) -> Page:
    """The links and anchors of a page of HTML."""
    page = Page()
    _Parser(page).feed(text)
    return page


def read_markdown(text: str) -> Page:
    """The links and anchors of a page of Markdown, whose headings are anchors."""
    return read_html(markdown.markdown(text, extensions=["extra", "toc"]))


class Checker:
    """Checks links and collects the external ones in ``external``. A page is read once."""

    def __init__(self) -> None:
        self.external: dict[str, set[str]] = {}
        self._pages: dict[Path, Page] = {}

    def page(self, path: Path) -> Page:
        """The page at ``path``, HTML or Markdown; one of another type has neither links nor anchors."""
        if path not in self._pages:
            read = {".html": read_html, ".md": read_markdown}.get(path.suffix)
            self._pages[path] = read(path.read_text(encoding="utf-8")) if read else Page()
        return self._pages[path]

    def broken(self, path: Path, root: Path, *, own_host: bool = False) -> Iterator[str]:
        """What is wrong with the links of the page at ``path``. ``own_host``: it may fetch nothing from another one."""
        for link, fetched in self.page(path).links:
            if fault := self._fault(path, root, link, fetched and own_host):
                yield f"{path.relative_to(root)}: {link}: {fault}"

    def _fault(self, path: Path, root: Path, link: str, fetched: bool) -> str | None:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            if parts.scheme in {"data", "mailto"}:
                return None
            self.external.setdefault(link, set()).add(str(path.relative_to(root)))
            if fetched:
                return "a browser would fetch it from another host"
            if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.-]+(?::\d+)?", parts.netloc):
                return "is not an address of the web"
            return None
        if parts.path.startswith("/"):
            return "is absolute"
        target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
        if target.is_dir() and (target / "index.html").exists():
            target /= "index.html"
        if not target.exists():
            return "is not there"
        if not target.is_relative_to(root):
            return "is outside"
        if parts.fragment and target.suffix in {".html", ".md"}:
            anchor = unquote(parts.fragment)
            # Material's link to the top of a page.
            if anchor not in self.page(target).anchors and anchor != "__top":
                return f"there is no anchor {anchor}"
        return None


def broken_in_pages(checker: Checker, root: Path = ROOT) -> Iterator[str]:
    """Broken links of the pages in Markdown below ``root``."""
    for pattern in PAGES:
        for path in sorted(root.glob(pattern)):
            yield from checker.broken(path, root)


def broken_names(checker: Checker, root: Path = ROOT) -> Iterator[str]:
    """What other files below ``root`` name and is not there: pages and anchors, such as the runbook links of alerts."""
    for folder in (path for pattern in NAMING for path in sorted(root.glob(pattern))):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            for name in sorted(set(_NAMED.findall(text))):
                target, _, anchor = name.partition("#")
                if target in _MADE:
                    continue
                page = checker.page(root / target) if (root / target).exists() else None
                if page is None or (anchor and anchor not in page.anchors):
                    yield f"{path.relative_to(root)}: {name}: is not there"


def broken_in_site(checker: Checker, site: Path) -> Iterator[str]:
    """Broken links of a built site, and what it would have a browser fetch from another host."""
    for path in sorted(site.rglob("*.html")):
        # The page for what is not found is served at any depth, so its links are absolute.
        if path.name != "404.html":
            yield from checker.broken(path, site, own_host=True)
    for path in sorted(site.rglob("*.css")):
        for address in _CSS_ADDRESS.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {address}: a browser would fetch it from another host"


def build(site: Path) -> None:
    """Build the documentation into ``site``. Raises CalledProcessError with what mkdocs wrote, warnings are errors."""
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )


def main() -> int:
    """Check everything. Returns the exit status."""
    checker = Checker()
    broken = [*broken_in_pages(checker), *broken_names(checker)]
    with tempfile.TemporaryDirectory() as directory:
        site = Path(directory).resolve() / "site"
        build(site)
        broken += broken_in_site(checker, site)
    for line in broken:
        sys.stderr.write(f"{line}\n")
    if "--external" in sys.argv[1:]:
        for link, pages in sorted(checker.external.items()):
            sys.stdout.write(f"{link}  ({', '.join(sorted(pages))})\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
