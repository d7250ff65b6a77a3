"""What the page makes of the metrics, in a real browser. A test writes the metrics, and moves the page's clock."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
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


def test_behind_a_token(stand: STAND, visit: OPEN) -> None:
    """For a browser, or a proxy in front, that sends one."""
    served = stand(bearer_token="change.me.please")
    seen = visit(served.port, extra_http_headers={"Authorization": "Bearer change.me.please"})
    seen.shows("#headline", "Healthy")
