"""One look at the status page in a browser."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, expect

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT = 20_000.0
BEGIN = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)


class Visit:
    """The page that ``port`` serves, in a profile of its own. ``options`` are Playwright's for a context.

    Its clock stands still: `tick` is what makes it ask again; unless ``is_live``. `end` fails the test if the page
    asked any other host, or something was on the console but what has a part of it in ``failing``.
    """

    def __init__(self, browser: Browser, port: int, *, is_live: bool = False, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.failing: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self._port = port
        if not is_live:
            # Before the page begins: a jump while it asks would be a long wait for the answer.
            self.page.clock.install(time=BEGIN)
            self.page.clock.pause_at(BEGIN + timedelta(hours=1))
        self.page.goto(f"http://127.0.0.1:{port}/")

    def tick(self, seconds: float = 2.0) -> None:
        """Let that time pass for the page at once, and wait until it has asked and shown the answer."""
        self._settle()
        with self.page.expect_response(lambda response: "/metrics" in response.url):
            self.page.clock.fast_forward(round(seconds * 1000))
        self._settle()

    def _settle(self) -> None:
        expect(self.page.locator("body")).not_to_have_attribute("data-asking", "", timeout=WAIT)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def shows(self, selector: str, text: Any) -> None:
        expect(self.page.locator(selector)).to_have_text(text, timeout=WAIT)

    def tile(self, name: str) -> Locator:
        return self.page.locator(".tile").filter(has=self.page.get_by_role("heading", name=name))

    def endpoints(self) -> dict[str, dict[str, str]]:
        """By method and endpoint, what the table has by column; exact, where the page shows less than it knows."""
        found: dict[str, dict[str, str]] = self.page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll("#endpoints tr")].map((row) => [
                [...row.firstElementChild.children].map((part) => part.textContent).join(" "),
                Object.fromEntries([...row.querySelectorAll("td")].map((cell) => [
                    cell.dataset.label, cell.firstElementChild.value])),
            ]))"""
        )
        return found

    def end(self) -> None:
        self.context.close()
        others = [url for url in self.asked if urlsplit(url).netloc != f"127.0.0.1:{self._port}"]
        assert [url for url in others if not url.startswith("data:")] == []
        assert [text for text in self.said if not any(part in text for part in self.failing)] == []
