"""The worker classes: Gunicorn's own, with one mixin that records."""
