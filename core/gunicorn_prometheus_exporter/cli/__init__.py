"""The command line ``gunicorn-prometheus-exporter``: a module for each command."""

from .main import main

__all__ = ["main"]
