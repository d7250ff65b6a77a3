"""What a scrape said, parsed strictly, and what promtool says about it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prometheus_client.core import Metric, Sample
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

# What `promtool check metrics` may complain about, and why it stays so. Parse errors are never allowed.
LINT_EXCEPTIONS: dict[tuple[str, str], str] = {}


class Exposition:
    """One exposition. Sample names are those on the wire: ``…_total``, ``…_bucket``, ``…_sum``, ``…_count``."""

    def __init__(self, text: str, *, openmetrics: bool) -> None:
        self.text = text
        parse = parse_openmetrics if openmetrics else parse_text
        parsed = list(parse(text))
        self.families: dict[str, Metric] = {family.name: family for family in parsed}
        assert len(self.families) == len(parsed), "a family is there twice"
        self._by_name: dict[str, list[Sample]] = {}
        for family in parsed:
            for sample in family.samples:
                self._by_name.setdefault(sample.name, []).append(sample)
        assert len(self.series()) == sum(map(len, self._by_name.values())), "a sample is there twice"

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """The samples of that name that have (at least) these labels."""
        found = self._by_name.get(name, ())
        return [sample for sample in found if labels.items() <= sample.labels.items()]

    def value(self, name: str, **labels: str) -> float:
        """The value of the only sample that has (at least) these labels. Fails if there is none or more than one."""
        found = self.samples(name, **labels)
        assert len(found) == 1, f"{len(found)} samples match {name} {labels}; there are {self._by_name.get(name, [])}"
        return float(found[0].value)

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples that have (at least) these labels; 0.0 if there is none."""
        return float(sum(sample.value for sample in self.samples(name, **labels)))

    def label_values(self, name: str, label: str) -> set[str]:
        """The values that ``label`` has in the samples of that name."""
        return {sample.labels[label] for sample in self.samples(name) if label in sample.labels}

    def series(self) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        """Every sample's name and sorted labels."""
        return {(s.name, tuple(sorted(s.labels.items()))) for found in self._by_name.values() for s in found}

    def counters(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """The values of every sample that must never go down."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families.values()
            if family.type in {"counter", "histogram", "summary"}
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    def assert_not_before(self, earlier: Exposition) -> None:
        """Fail if a counter of ``earlier`` is lower here, or gone."""
        now = self.counters()
        for series, value in earlier.counters().items():
            assert series in now, f"{series} is gone"
            assert now[series] >= value, f"{series} went back from {value} to {now[series]}"


def lint(text: str, promtool: Path) -> None:
    """Fail if ``promtool check metrics`` finds anything in the text format that `LINT_EXCEPTIONS` does not allow."""
    said = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    output = said.stdout + said.stderr
    complaints = [line for line in output.splitlines() if line and not _is_allowed(line)]
    # 3 is promtool's status for complaints about style; anything else is a parse error.
    assert said.returncode in (0, 3), f"promtool exited with {said.returncode}: {output}"
    assert not complaints, f"promtool complains:\n{output}"


def _is_allowed(line: str) -> bool:
    return any(line.startswith(f"{family} ") and text in line for family, text in LINT_EXCEPTIONS)
