"""Writes docs/images/: the status page of a real Gunicorn with traffic, healthy and not, in light and dark, on a phone.

Needs Chromium, which `scripts/provision.py` brings. Takes about two minutes.
"""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.provision import tool  # noqa: E402
from tests.e2e.harness import Gunicorn  # noqa: E402
from tests.status.browsing import FLAGS  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SECONDS = 62
APP = """
    import random, time
    from gunicorn_prometheus_exporter.note import note_of

    TEMPLATES = {"users": "/users/<int:user>", "orders": "/orders/<int:order>"}
    WORK = {"search": 0.06, "checkout": 0.04, "reports": 0.15}

    class PaymentProviderAway(Exception):
        pass

    def app(environ, start_response):
        first = environ["PATH_INFO"].split("/")[1]
        note_of(environ).endpoint(TEMPLATES.get(first, environ["PATH_INFO"]))
        environ["wsgi.input"].read()
        time.sleep(random.expovariate(1 / WORK.get(first, 0.008)))
        if "HTTP_X_BREAK" in environ and first == "checkout" and random.random() < 0.4:
            raise PaymentProviderAway
        start_response("404 Not Found" if first == "favicon.ico" else "200 OK", [])
        return [b"x" * random.randrange(200, 20_000)]
"""
PATHS = ["/users/7", "/users/8", "/orders/3", "/search", "/checkout", "/health", "/reports/monthly", "/favicon.ico"]


class Clients:
    """Some clients of ``port``, until `end`. Set ``is_broken`` to have a part of their requests fail."""

    def __init__(self, port: int, number: int) -> None:
        self.is_broken = False
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        chance = random.Random(4)  # noqa: S311 - not for secrets
        while not self._ended.wait(chance.random() * 0.06):
            path = chance.choices(PATHS, [9, 7, 6, 5, 4, 3, 1, 0.2])[0]
            method, body = ("POST", b"x" * chance.randrange(100, 900)) if path == "/checkout" else ("GET", None)
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            connection.request(method, path, body, {"X-Break": "yes"} if self.is_broken else {})
            connection.getresponse().read()
            connection.close()


def take(browser: Browser, port: int, name: str, seconds: float, **options: object) -> None:
    context = browser.new_context(**options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    time.sleep(seconds)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=name != "status-phone")
    context.close()


def main() -> int:
    IMAGES.mkdir(exist_ok=True)
    desk = {"viewport": {"width": 1200, "height": 800}}
    phone = {"viewport": {"width": 390, "height": 1180}, "device_scale_factor": 2, "is_mobile": True}
    server = Gunicorn(APP, worker_class="gthread", workers=4, args=["--threads", "2"])
    clients = Clients(server.port, 4)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=tool("chromium"), args=FLAGS)
            take(browser, server.metrics_port, "status-light", SECONDS, color_scheme="light", **desk)
            take(browser, server.metrics_port, "status-phone", SECONDS / 2, color_scheme="light", **phone)
            clients.is_broken = True
            take(browser, server.metrics_port, "status-dark", SECONDS / 2, color_scheme="dark", **desk)
            browser.close()
    finally:
        clients.end()
        server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
