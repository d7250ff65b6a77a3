"""Measurements, side by side in one run: medians and ratios, never limits that a test asserts."""
