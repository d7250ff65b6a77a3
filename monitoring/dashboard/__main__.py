"""Writes monitoring/grafana/gunicorn.json."""

from __future__ import annotations

from pathlib import Path

from .board import as_json

BOARD = Path(__file__).resolve().parent.parent / "grafana" / "gunicorn.json"

if __name__ == "__main__":
    BOARD.parent.mkdir(exist_ok=True)
    BOARD.write_text(as_json(), encoding="utf-8")
