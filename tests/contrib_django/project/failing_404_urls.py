"""Routes whose handler for 404 fails."""

from .urls import urlpatterns as urlpatterns
from .views import failing_handler as handler404
from .views import plain_500 as handler500

__all__ = ["handler404", "handler500", "urlpatterns"]
