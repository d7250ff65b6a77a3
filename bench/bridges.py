"""What a bridge costs: the same application in the same recorder, with the bridge and without, turn by turn.

    python -m bench.bridges [--rounds 30] [--requests 1000]

Each variant is a process of its own. The two take turns, after a control in which both are without the bridge; the
medians of CPU time per request are printed. The control shows how much of a difference is noise.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from typing import Final

from .framework_apps import APPS
from .request_driver import RequestDriver

PATH: Final = "/users/7"


class Variant:
    """One process that runs requests when it is told to."""

    def __init__(self, framework: str, bridge: bool) -> None:
        command = [sys.executable, "-m", "bench.bridges", "--child", framework, "with" if bridge else "without"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def microseconds(self, requests: int) -> float:
        """CPU time per request of the next ``requests`` requests."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(f"{requests}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline()) / requests * 1e6

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)


def measure(framework: str, rounds: int, requests: int) -> tuple[float, float, float]:
    """Medians of CPU microseconds per request: without the bridge, without it again (control), and with it."""
    variants = [Variant(framework, False), Variant(framework, False), Variant(framework, True)]
    try:
        for variant in variants:
            variant.microseconds(requests)
        samples = [[variant.microseconds(requests) for variant in variants] for _ in range(rounds)]
    finally:
        for variant in variants:
            variant.close()
    without, control, with_bridge = (statistics.median(column) for column in zip(*samples, strict=True))
    return without, control, with_bridge


def _serve(framework: str, bridge: bool) -> None:
    driver = RequestDriver(APPS[framework](bridge), PATH)
    try:
        for line in sys.stdin:
            print(driver.run(int(line)), flush=True)
    finally:
        driver.close()


def main() -> None:
    """Measure every framework and print the table."""
    parser = argparse.ArgumentParser(description="Cost of the framework bridges, in CPU microseconds per request.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--child", nargs=2, metavar=("FRAMEWORK", "BRIDGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _serve(options.child[0], options.child[1] == "with")
        return
    print(
        f"{'framework':10} {'without':>9} {'control':>9} {'with':>9} {'added':>7} {'noise':>7}   microseconds, medians"
    )
    for framework in APPS:
        without, control, with_bridge = measure(framework, options.rounds, options.requests)
        added, noise = with_bridge - without, abs(control - without)
        print(f"{framework:10} {without:9.2f} {control:9.2f} {with_bridge:9.2f} {added:7.2f} {noise:7.2f}", flush=True)


if __name__ == "__main__":
    main()
