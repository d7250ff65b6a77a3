"""What the page makes of the metrics, in a real browser. A test writes the metrics, and moves the page's clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import bcrypt
import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.harness import wait_until
from tests.status.browsing import WAIT, Visit
from tests.status.stand import HEALTHY, Stand, sample, traffic

OPEN = Callable[..., Visit]
STAND = Callable[..., Stand]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"\\\n} 5 {a=\"\u202e\u2028"
BUSY = (
    HEALTHY
    + traffic("/users/<int:id>", 400, within=300)
    + traffic("/checkout", 100, status="500", method="POST")
    + traffic("/nothing", 7, status="404")
    + sample("gunicorn_http_exceptions_total", 100, method="POST", endpoint="/checkout", error_type="KeyError")
    + sample("gunicorn_worker_threads", 4, worker_id="1")
    + sample("gunicorn_worker_threads_busy", 1, worker_id="1")
    + sample("gunicorn_worker_memory_bytes", 51_000_000, worker_id="1")
)


def test_numbers_since_the_start_and_of_the_last_minute(stand: STAND, visit: OPEN) -> None:
    """The table has what was counted, and of the last minute what came since; percentiles as Prometheus has them."""
    served = stand(HEALTHY + traffic("/a", 10) + traffic("/b", 5, status="503"))
    seen = visit(served.port)
    seen.shows("#endpoints-note", "Measuring.")
    seen.page.get_by_text("Since start").click()
    since_start = seen.endpoints()
    assert since_start["GET /a"]["Requests"] == "10"
    assert {name: text for name, text in since_start["GET /b"].items() if name[0] != "p"} == {
        "Requests": "5",
        "4xx": "0",
        "5xx": "5",
        "Received": "50",
        "Sent": "15000",
    }
    seen.page.get_by_text("Last minute").click()

    served.text = HEALTHY + traffic("/a", 1250, within=620) + traffic("/b", 5, status="503")
    seen.tick()

    wait_until(lambda: seen.endpoints().keys() == {"GET /a"})
    row = seen.endpoints()["GET /a"]
    assert (row["Requests"], row["Received"], row["Sent"]) == ("1240", "12400", "3720000")
    # Of 1240 there are 610 in (0.05, 0.1] and 630 in (0.1, 0.5].
    assert float(row["p50"]) == pytest.approx(0.1 + 0.4 * (620 - 610) / 630)
    assert float(row["p95"]) == pytest.approx(0.1 + 0.4 * (1178 - 610) / 630)
    expect(seen.tile("Requests").locator(".value")).to_have_text(re.compile(r"^6\d\d/s$"))
    expect(seen.tile("Errors").locator(".value")).to_have_text("0%")
    seen.shows("#headline", "Healthy")
    assert seen.page.title() == "Healthy · Gunicorn"


def test_a_counter_that_began_again(stand: STAND, visit: OPEN) -> None:
    """After a restart there is no negative rate, and no giant one."""
    served = stand(HEALTHY + traffic("/a", 1_000_000))
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    served.text = HEALTHY + traffic("/a", 4)
    seen.tick()
    wait_until(lambda: seen.endpoints().get("GET /a", {}).get("Requests") == "4")


@pytest.mark.parametrize(
    ("level", "headline", "text"),
    [
        ("bad", "No Gunicorn master is alive", ""),
        ("bad", "No worker is serving", HEALTHY.replace('idle"} 2', 'idle"} 0').replace('busy"} 1', 'busy"} 0')),
        ("warn", "1 worker of 3 missing", HEALTHY.replace('idle"} 2', 'idle"} 1')),
        ("bad", "The accept queue of http://127.0.0.1:8000 is 98 % full: soon clients are refused",
         re.sub(r"(backlog\{.*\}) 0.0", r"\1 2000.0", HEALTHY)),
        ("warn", "Redis does not answer the exporter; requests do not notice",
         HEALTHY + "gunicorn_exporter_redis_up 0.0\n"),
        ("bad", "50 % of requests fail, mostly GET /b", HEALTHY + traffic("/a", 10) + traffic("/b", 10, status="500")),
        ("warn", "2 % of requests fail, mostly GET /b", HEALTHY + traffic("/a", 98) + traffic("/b", 2, status="500")),
        ("warn", re.compile(r"^A worker hung, and was killed for its timeout \(at \d\d:\d\d:\d\d\)$"),
         HEALTHY.replace('"timeout"} 0', '"timeout"} 1')),
        ("bad", re.compile(r"^A worker ended unexpectedly: crash \(at "),
         HEALTHY.replace('"crash"} 0', '"crash"} 3')),
        ("warn", re.compile(r"^Saturated: "), re.sub(r"(busy_seconds.*\}) 1.0", r"\1 100.0", HEALTHY)),
        ("warn", re.compile(r"^The exporter fails in scrape; requests do not notice"),
         HEALTHY + 'gunicorn_exporter_errors_total{component="scrape"} 1.0\n'),
    ],
)  # fmt: skip
def test_the_first_line_says_what_is_wrong(
    stand: STAND, visit: OPEN, level: str, headline: str | re.Pattern[str], text: str
) -> None:
    """Healthy, until there is what an engineer must know; read aloud once, and not with each number that changes."""
    served = stand()
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    served.text = text
    seen.tick()
    seen.shows("#headline", headline)
    assert seen.page.locator("#verdict").get_attribute("data-level") == level
    assert seen.page.title() == f"{seen.text('#headline')} · Gunicorn"


def test_it_is_read_aloud_once(stand: STAND, visit: OPEN) -> None:
    """A screen reader is told what is wrong, and not each number that changes."""
    served = stand(HEALTHY + traffic("/a", 0))
    seen = visit(served.port)
    seen.shows("#announcement", "Healthy")
    for right, percent in (1, 50), (3, 25), (4, 20):
        served.text = HEALTHY + traffic("/a", right) + traffic("/b", 1, status="500")
        seen.tick()
        seen.shows("#headline", f"{percent} % of requests fail, mostly GET /b")
        seen.shows("#announcement", "50 % of requests fail, mostly GET /b")
    served.text = ""
    seen.tick()
    seen.shows("#announcement", "No Gunicorn master is alive")


def test_a_fault_of_its_own(stand: STAND, visit: OPEN) -> None:
    """The page does not say that Gunicorn is gone when it is itself that fails."""
    seen = visit(stand().port)
    seen.failing = ["TypeError"]
    seen.shows("#headline", "Healthy")
    seen.page.locator("#states").evaluate("(node) => node.remove()")
    seen.tick()
    seen.shows("#headline", re.compile("^This page has a fault of its own; Gunicorn did answer, since "))


def test_hostile_labels_are_text(stand: STAND, visit: OPEN) -> None:
    """Whatever is in a label is shown, and does nothing."""
    labels = dict.fromkeys(("error_type", "endpoint", "reason", "state", "listener", "component", "worker_id"), HOSTILE)
    text = HEALTHY + sample("gunicorn_info", 1, version=HOSTILE, worker_class=HOSTILE)
    text += traffic(HOSTILE, 3, method=HOSTILE) + traffic("__proto__", 2) + traffic("constructor", 1)
    names = {
        "gunicorn_http_exceptions_total", "gunicorn_http_parse_errors_total", "gunicorn_worker_timeouts_total",
        "gunicorn_worker_exits_total", "gunicorn_listener_backlog", "gunicorn_listener_backlog_limit",
        "gunicorn_worker_start_time_seconds", "gunicorn_exporter_errors_total", "gunicorn_workers",
    }  # fmt: skip
    hostile = "".join(sample(name, 2, **labels) for name in sorted(names))
    served = stand(text)
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    served.text = text.replace(" 3\n", " 9\n") + hostile
    seen.tick()
    seen.shows("#headline", re.compile("accept queue of <script>"))
    seen.page.get_by_text("Since start").click()
    assert [row["Requests"] for name, row in seen.endpoints().items() if HOSTILE in name] == ["9"]
    assert seen.endpoints().keys() >= {"GET __proto__", "GET constructor"}
    assert seen.page.evaluate("window.hacked") is None
    assert seen.page.locator("script").count() == 1
    assert seen.page.locator("main img").count() == 0


def test_the_browser_would_not_run_what_got_in(stand: STAND, visit: OPEN) -> None:
    """Were there a hole, the policy would still be there: no script, no style, no other host."""
    seen = visit(stand().port, is_live=True)
    seen.failing = ["Content Security Policy"]
    blocked = seen.page.evaluate(
        """async () => {
            const blocked = [];
            addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
            document.body.append(Object.assign(document.createElement("script"), { textContent: "window.hacked = 1" }));
            document.body.insertAdjacentHTML("beforeend", "<i style='color: red'></i><img src=x onerror='hacked = 1'>");
            await fetch("http://127.0.0.2:1/").catch(() => {});
            await new Promise((done) => requestIdleCallback(done));
            return [blocked.sort(), window.hacked];
        }"""
    )
    directives, hacked = blocked
    assert hacked is None
    assert {"script-src-elem", "style-src-attr", "connect-src", "img-src"} <= set(directives)
    assert seen.page.evaluate("window.hacked") is None


def test_more_endpoints_than_anybody_reads(stand: STAND, visit: OPEN) -> None:
    """The busiest are shown, with a note; the totals have all; what the page keeps is bounded."""
    text = HEALTHY + "".join(traffic(f"/e{number}", number + 1) for number in range(3000))
    served = stand(text)
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    seen.page.get_by_text("Since start").click()
    assert seen.page.locator("#endpoints tr").count() == 50
    assert next(iter(seen.endpoints())) == "GET /e2999"
    note = seen.text("#endpoints-note")
    assert "The first 50 of 2,000 endpoints are shown" in note
    assert "1,000 more endpoints" in note
    served.text = HEALTHY + "".join(traffic(f"/e{number}", number + 2) for number in range(3000))
    seen.tick()
    expect(seen.tile("Errors").locator(".quiet")).to_have_text("0 of 3,000", timeout=WAIT)


def test_it_keeps_a_bounded_past(stand: STAND, visit: OPEN) -> None:
    """After a long time the sparklines have five minutes, and the last minute is a minute."""
    served = stand(HEALTHY + traffic("/a", 1))
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    for number in range(2, 40):
        served.text = HEALTHY + traffic("/a", number)
        seen.tick(10)
    seen.shows("#window", "over the last minute")
    assert seen.endpoints()["GET /a"]["Requests"] == "6"
    path = seen.tile("Requests").locator("path.line").get_attribute("d") or ""
    assert path.count("L") == 30
    assert path.startswith("M0.00 ")


@pytest.mark.parametrize(("scheme", "size"), [("light", {}), ("dark", PHONE)], ids=["light", "dark, phone"])
def test_accessible(stand: STAND, visit: OPEN, scheme: str, size: dict[str, object]) -> None:
    """axe finds nothing, contrast included, on a page with everything on it."""
    served = stand(HEALTHY)
    # With a clock that goes: axe waits, too.
    seen = visit(served.port, is_live=True, color_scheme=scheme, **size)
    for text in (HEALTHY, BUSY):
        served.text = text
        seen.shows("#headline", "Healthy" if text == HEALTHY else re.compile("20 % of requests fail"))
        found = Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()


def test_dark_and_light(stand: STAND, visit: OPEN) -> None:
    """The page follows what the reader's system prefers."""
    served = stand()
    shades = {}
    for scheme in ("light", "dark"):
        page = visit(served.port, color_scheme=scheme).page
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(map(int, re.findall(r"\d+", colour)))
    assert shades["dark"] < 150 < 600 < shades["light"]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_to_scroll_sideways(stand: STAND, visit: OPEN, width: int) -> None:
    """Not on the smallest phone, and not with names without a place to break."""
    long = "/" + "very-long-name" * 30
    text = BUSY + traffic(long, 5_000_000_000) + sample("gunicorn_listener_backlog", 5, listener=long)
    text += sample("gunicorn_http_exceptions_total", 3, method="GET", endpoint=long, error_type="E" * 300)
    served = stand(text)
    seen = visit(served.port, viewport={"width": width, "height": 700}, is_mobile=width < 500)
    seen.shows("#headline", "Healthy")
    seen.page.get_by_text("Since start").click()
    assert seen.page.locator("#endpoints tr").count() == 4
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    outside = seen.page.evaluate(
        """(width) => [...document.querySelectorAll("main *")].filter((node) => !node.closest(".hidden, svg")
            && node.getBoundingClientRect().right > width + 1).map((node) => node.outerHTML.slice(0, 80))""",
        width,
    )
    assert outside == []


def test_with_the_keyboard(stand: STAND, visit: OPEN) -> None:
    """Everything can be reached in the order of reading, is seen to have the focus, and does what it is for."""
    served = stand(BUSY)
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    keyboard = seen.page.keyboard
    order = []
    for _ in range(14):
        keyboard.press("Tab")
        name, outline = seen.page.evaluate(
            """() => {
                const node = document.activeElement;
                const box = node.type === "radio" ? node.nextElementSibling : node;
                return [node.id || node.value || node.textContent, getComputedStyle(box).outlineStyle];
            }"""
        )
        assert outline == "solid", f"{name} does not show that it has the focus"
        order.append(name)
    columns = ["Endpoint", "Requests", "p50", "p95", "p99", "4xx", "5xx", "Received", "Sent"]
    assert order == ["Skip to the status", "pause", "workers-box", "minute", *columns, "/metrics"]

    seen.page.locator("[value=minute]").focus()
    keyboard.press("ArrowRight")
    wait_until(lambda: len(seen.endpoints()) == 3)
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert list(seen.endpoints()) == ["POST /checkout", "GET /nothing", "GET /users/<int:id>"]
    assert seen.page.get_by_role("columnheader", name="Endpoint").get_attribute("aria-sort") == "ascending"
    keyboard.press("Enter")
    assert next(iter(seen.endpoints())) == "GET /users/<int:id>"


def test_reduced_motion(stand: STAND, visit: OPEN) -> None:
    """Nothing moves for who asked for that."""
    served = stand()
    for motion, name in (("no-preference", "pulse"), ("reduce", "none")):
        seen = visit(served.port, reduced_motion=motion)
        seen.shows("#headline", "Healthy")
        assert seen.page.evaluate("getComputedStyle(document.getElementById('pulse')).animationName") == name


def test_it_asks_nothing_while_nobody_looks(stand: STAND, visit: OPEN) -> None:
    """Hidden or paused, the page leaves the server alone; and asks at once when somebody is back."""
    served = stand()
    seen = visit(served.port)
    seen.shows("#headline", "Healthy")
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    pause = seen.page.locator("#pause")
    for stop, go in (
        (lambda: seen.page.evaluate(hide, True), lambda: seen.page.evaluate(hide, False)),
        (pause.click, pause.click),
    ):
        seen.tick()
        stop()
        scrapes = served.scrapes
        seen.page.clock.run_for(60_000)
        assert served.scrapes == scrapes
        with seen.page.expect_response(lambda response: "/metrics" in response.url):
            go()
        wait_until(lambda before=scrapes: served.scrapes == before + 1)
    expect(pause).to_have_attribute("aria-pressed", "false")


def test_the_server_goes_and_comes_back(stand: STAND, visit: OPEN) -> None:
    """The page says since when it knows nothing, keeps what it knew, and goes on by itself."""
    served = stand(BUSY)
    seen = visit(served.port)
    seen.failing = ["ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "500 (Internal Server Error)"]
    seen.shows("#headline", "Healthy")
    served.close()
    seen.page.clock.run_for(2000)
    seen.shows("#headline", re.compile(r"^No answer from Gunicorn, since \d\d:\d\d:\d\d$"))
    assert seen.page.title().startswith("No answer from Gunicorn")
    assert seen.text("#updated").startswith("Not updated since")
    assert seen.text("#configured") == "3 alive, 3 configured"
    served.open()
    seen.tick()
    seen.shows("#headline", "Healthy")
    served.text = "\udcff"  # It cannot be encoded: the endpoint fails.
    seen.tick()
    seen.shows("#headline", re.compile("^The exporter answers with an error: 500, since"))
    assert served.failures


def test_behind_the_same_password(stand: STAND, visit: OPEN, tmp_path: Path) -> None:
    """Without one there is no page; with one a browser asks for the numbers with it."""
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{reader: '{hashed}'}}")
    served = stand(web_config_file=str(tmp_path / "web.yml"))
    users = (None, ("reader", "battery staple"), ("reader", "correct horse"))
    for path in ("/", "/metrics"):
        url = f"http://127.0.0.1:{served.port}{path}"
        assert [httpx.get(url, auth=user, timeout=20).status_code for user in users] == [401, 401, 200]
    reader = visit(served.port, http_credentials={"username": "reader", "password": "correct horse"})
    # What a browser says before it asks its user.
    reader.failing = ["401 (Unauthorized)"]
    reader.shows("#headline", "Healthy")
    reader.shows("#configured", "3 alive, 3 configured")


def test_behind_a_token(stand: STAND, visit: OPEN) -> None:
    """For a browser, or a proxy in front, that sends one."""
    served = stand(bearer_token="change.me.please")
    seen = visit(served.port, extra_http_headers={"Authorization": "Bearer change.me.please"})
    seen.shows("#headline", "Healthy")


def test_by_the_conventions(stand: STAND, visit: OPEN) -> None:
    """With ``naming: otel`` a row is the same as by our names."""
    page = HEALTHY + traffic("/a", 10)
    by_our_names = visit(stand(page).port)
    by_our_names.page.get_by_text("Since start").click()
    wait_until(lambda: "GET /a" in by_our_names.endpoints())
    for ours, theirs in (
        ("gunicorn_http_request_duration_seconds_", "http_server_request_duration_seconds_"),
        ("gunicorn_http_request_size_bytes_", "http_server_request_body_size_bytes_"),
        ("gunicorn_http_response_size_bytes_", "http_server_response_body_size_bytes_"),
    ):
        page = page.replace(ours, theirs)
    lines = [
        line.replace("endpoint=", "http_route=").replace("method=", "http_request_method=")
        if line.startswith("http_server_")
        else line
        for line in page.split("\n")
    ]
    seen = visit(stand("\n".join(lines)).port)
    seen.page.get_by_text("Since start").click()
    wait_until(lambda: seen.endpoints() == by_our_names.endpoints())
