"""Starlette and FastAPI bridge of gunicorn-prometheus-exporter: the route template of each request, and the errors.

There is nothing to set up: the exporter's ASGI workers call `watch` when the application has imported Starlette.
"""

from .watch import watch

__all__ = ["watch"]
