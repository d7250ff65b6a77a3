"""The routes of a request with a urlconf of its own."""

from django.urls import path

from . import views

urlpatterns = [path("other/<slug:name>/", views.ok), path("fail/<error>/", views.fail)]
