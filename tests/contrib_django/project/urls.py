"""Routes of every kind."""

from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path, re_path

from . import rest, views

inner = [
    path("<int:pk>/", views.ok, name="detail"),
    re_path(r"^by/(?P<year>[0-9]{4})/$", views.ok, name="by-year"),
    re_path(r"^documents/(\d+)/(.*)$", views.ok),
]

urlpatterns = [
    path("", views.ok, name="home"),
    path("ok/", views.ok),
    path("only-get/", views.OnlyGet.as_view()),
    path("api/v1/items/", include((inner, "items"), namespace="first")),
    path("api/<slug:tenant>/things/", include((inner, "items"), namespace="second")),
    re_path(r"^old/(?P<kind>a|b)/", include(inner)),
    re_path(r"^page(?:-(?P<number>\d+))?\.html$", views.ok),
    path("fail/<error>/", views.fail),
    path("fail-async/<error>/", views.fail_async),
    path("async/", views.ok_async),
    path("nothing/", views.nothing),
    path("unrenderable/", views.unrenderable),
    path("caught/", views.caught),
    path("caught-and-raised/", views.caught_and_raised),
    path("resolves/", views.resolves),
    path("away/", views.away),
    path("fields/", views.fields),
    path("body/", views.body),
    path("exempt/", views.exempt),
    path("file/", views.file),
    path("hangs/<int:pk>/", views.hangs),
    path("rest/", include(rest)),
    path("stream/", views.stream),
    path("stream-fails/", views.stream_fails),
]
urlpatterns += i18n_patterns(path("about/", views.ok, name="about"))
