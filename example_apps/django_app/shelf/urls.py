"""The pages of the shelf."""

from django.urls import include, path

from . import api, views

urlpatterns = [
    path("", views.index, name="index"),
    path("files", views.upload, name="upload"),
    path("files/<name>", views.download, name="download"),
    path("report", views.report, name="report"),
    path("broken", views.broken, name="broken"),
    path("api/", include((api.urlpatterns, "api"))),
]
handler404 = "shelf.views.not_found"
