"""Routes whose error handlers fail."""

from .urls import urlpatterns as urlpatterns
from .views import failing_handler as handler404
from .views import failing_handler as handler500

__all__ = ["handler404", "handler500", "urlpatterns"]
