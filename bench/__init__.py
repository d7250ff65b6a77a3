"""Measurements, side by side in one run: medians, ratios and targets. ``python -m bench --help`` says what there is."""
