from __future__ import annotations

import pytest

from bench.medians import noise, percentile, ratio, slope


def test_a_ratio_is_taken_within_rounds() -> None:
    """A machine that is ten times slower for one round changes nothing."""
    assert ratio([2.0, 20.0, 2.2], [1.0, 10.0, 1.1]) == pytest.approx(2.0)


def test_noise_is_how_far_two_of_the_same_lie_apart() -> None:
    assert noise([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]) == 0
    assert noise([1.0, 1.1, 0.9, 1.0], [1.0, 1.0, 1.0, 1.0]) == pytest.approx(0.025)
    assert noise([1.3], [1.0]) == pytest.approx(0.3)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([7.0], 0.99) == 7.0


def test_a_slope_is_not_moved_by_a_single_step() -> None:
    x = [float(number) for number in range(20)]
    assert slope(x, [0.0] * 10 + [5.0] * 10) < 0.4
    assert slope(x, [2 * number for number in x]) == pytest.approx(2.0)
    assert slope([1.0], [1.0]) == 0.0
