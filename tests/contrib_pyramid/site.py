"""An application that does everything Pyramid knows: what each path yields is in ``rows.py``. Its own module only."""

import os

from pyramid.authorization import ACLHelper, Allow, Everyone
from pyramid.config import Configurator
from pyramid.csrf import CookieCSRFStoragePolicy
from pyramid.events import ContextFound, NewRequest, NewResponse
from pyramid.exceptions import PredicateMismatch
from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPForbidden,
    HTTPFound,
    HTTPInternalServerError,
    HTTPNotFound,
    HTTPServiceUnavailable,
)
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import EXCVIEW, INGRESS
from pyramid.view import render_view
from pyramid.wsgi import wsgiapp, wsgiapp2
from zope.interface import Interface, implementer


class Sorry(ValueError):
    """Has an exception view."""


class Unlucky(Exception):
    """Has an exception view that fails."""


class Refusing(Exception):
    """Has an exception view that raises an HTTP exception, which Pyramid does not answer any more."""


class Deferring(Exception):
    """Has an exception view whose predicates do not hold."""


class CommitFailed(Exception):
    """Raised by a tween after the view."""


class Translated(Exception):
    """What a tween makes of another exception."""


ERRORS = {
    error.__name__: error
    for error in (
        CommitFailed,
        Deferring,
        HTTPForbidden,
        HTTPFound,
        HTTPInternalServerError,
        HTTPNotFound,
        HTTPServiceUnavailable,
        KeyboardInterrupt,
        PredicateMismatch,
        Refusing,
        Sorry,
        TypeError,
        Unlucky,
    )
}


def make_error(name):
    error = ERRORS[name]
    return error("/ok") if error is HTTPFound else error("x")


class IDocument(Interface):
    pass


class Folder(dict):
    __parent__ = __name__ = None
    __acl__ = ((Allow, "admin", "see"),)

    def __getitem__(self, name):
        if name == "broken":
            raise TypeError("the database is away")
        return super().__getitem__(name)


class SpecialFolder(Folder):
    pass


@implementer(IDocument)
class Document:
    pass


class Security:
    def identity(self, request):
        return None

    def authenticated_userid(self, request):
        return None

    def permits(self, request, context, permission):
        return ACLHelper().permits(context, [Everyone], permission)

    def remember(self, request, userid, **kw):
        return []

    def forget(self, request, **kw):
        return []


def root_factory(request):
    if "bad-root" in request.GET:
        raise TypeError("no root")
    return Folder(folder=Folder(), special=SpecialFolder(), document=Document())


def ok(request):
    return Response("ok")


def fail(request):
    raise make_error(request.matchdict["error"])


def give_back(request):
    return make_error(request.matchdict["error"])


def nothing(request):
    return None


def unrenderable(request):
    return object()


def streaming(request):
    def body():
        yield b"x" * 3000
        raise TypeError("in the middle")

    return Response(app_iter=body())


def failing_callback(request):
    def callback(request, response):
        raise KeyError("callback")

    request.add_response_callback(callback)
    if "after" in request.GET:
        raise make_error(request.GET["after"])
    return Response("ok")


def subrequest(request):
    """Asks the application for ``path``, as a view may, with what else the query says."""
    if "copy" in request.GET:
        inner = Request(dict(request.environ, PATH_INFO=request.GET["path"], QUERY_STRING=""))
    else:
        inner = Request.blank(request.GET["path"])
    try:
        return request.invoke_subrequest(inner, use_tweens="tweens" in request.GET)
    except TypeError:
        if "catch" in request.GET:
            return Response("caught")
        raise


def exception_view_by_hand(request):
    try:
        raise Sorry("by hand")
    except Sorry:
        return request.invoke_exception_view()


def says_sorry(error, request):
    return Response("sorry", status=int(request.GET.get("status", 400)))


def says_commit_failed(error, request):
    return Response("again, please", status=503)


def fails_itself(error, request):
    raise KeyError("the template of the error page")


def refuses(error, request):
    raise HTTPBadRequest


def on_request(event):
    if "NewRequest" in event.request.GET:
        raise make_error(event.request.GET["NewRequest"])


def on_response(event):
    if "NewResponse" in event.request.GET:
        raise make_error(event.request.GET["NewResponse"])


def outer_tween_factory(handler, registry):
    """Over EXCVIEW: answers before the router is asked, raises before or after it, or swallows what came out of it."""

    def outer_tween(request):
        if "short" in request.GET:
            return Response("short")
        if "over" in request.GET:
            raise make_error(request.GET["over"])
        try:
            response = handler(request)
            if "commit" in request.GET:
                raise make_error(request.GET["commit"])
            return response
        except Exception as error:
            if "commit" in request.GET:
                # As pyramid_tm does.
                return request.invoke_exception_view(reraise=True)
            if "toolbar" in request.GET:
                # As pyramid_debugtoolbar does.
                request.exception = error
            if "swallow" in request.GET:
                return Response(f"Traceback: {type(error)}", status=int(request.GET["swallow"]))
            raise

    return outer_tween


def inner_tween_factory(handler, registry):
    """Under EXCVIEW: commits, and may fail, or makes another exception of the one it sees."""

    def inner_tween(request):
        try:
            response = handler(request)
        except TypeError as error:
            if "translate" in request.GET:
                raise Translated from error
            raise
        if "under" in request.GET:
            raise make_error(request.GET["under"])
        return response

    return inner_tween


def translated(error, request):
    return Response("translated", status=500)


def mounted_app():
    """The application that is mounted in the other one."""
    with Configurator() as config:
        config.include("gunicorn_prometheus_exporter_pyramid")
        config.add_exception_view(says_sorry, context=Sorry)
        config.add_route("page", "/page/{id:[0-9]+}")
        config.add_view(ok, route_name="page")
        config.add_route("fail", "/fail/{error}")
        config.add_view(fail, route_name="fail")
        return config.make_wsgi_app()


def plain_wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"plain"]


def add_routes(config):
    routes = {
        "items/{id:\\d+}": ok,
        "years/{year:\\d{4}}/{rest:.*}": ok,
        "old/:name/end": ok,
        "fail/{error}": fail,
        "return/{error}": give_back,
        "nothing": nothing,
        "stream-fails": streaming,
        "failing-callback": failing_callback,
        "subrequest": subrequest,
        "by-hand": exception_view_by_hand,
    }
    for pattern, view in routes.items():
        config.add_route(pattern, pattern)
        config.add_view(view, route_name=pattern)
    config.add_route("unrenderable", "unrenderable")
    config.add_view(unrenderable, route_name="unrenderable", renderer="json")
    config.add_route("only-post", "only-post")
    config.add_view(ok, route_name="only-post", request_method="POST")
    config.add_route("choosy", "choosy")
    config.add_view(ok, route_name="choosy", request_param="a")
    config.add_view(ok, route_name="choosy", request_param="b")
    config.add_route("picky", "picky", request_param="a")
    config.add_view(ok, route_name="picky")
    config.add_route("viewless", "viewless")
    config.add_route("private", "private", factory=lambda request: Folder())
    config.add_view(ok, route_name="private", permission="see")
    config.add_route("wrong-factory", "wrong-factory", factory=lambda: None)
    config.add_view(ok, route_name="wrong-factory")
    config.add_route("csrf", "csrf")
    config.add_view(ok, route_name="csrf", require_csrf=True)
    config.add_route("root", "")
    config.add_view(ok, route_name="root")
    config.add_static_view("static", os.path.dirname(os.path.abspath(__file__)))
    config.add_route("hybrid", "hyb/{x}/*traverse")
    config.add_view(ok, route_name="hybrid", context=Folder, name="edit")
    config.add_view(ok, route_name="hybrid", context=Document)
    config.add_view(ok, route_name="hybrid", name="any")
    config.add_view(ok, route_name="hybrid", context=Folder, name="secret", permission="see")


def add_traversal(config):
    config.add_view(ok, context=Folder)
    config.add_view(ok, context=Folder, name="edit")
    config.add_view(page_of_parts, context=Folder, name="parts")
    config.add_view(fail_by_name, context=Folder, name="fail")
    config.add_view(ok, context=Folder, name="secret", permission="see")
    config.add_view(ok, context=Folder, name="choosy", request_param="a")
    config.add_view(ok, context=IDocument, name="read")
    config.add_view(ok, name="any")


def fail_by_name(context, request):
    raise make_error(request.GET["error"])


def page_of_parts(context, request):
    return Response(render_view(context, request, "edit"))


def on_context(event):
    """What a view needs, fetched in advance."""
    if "prefetch" in event.request.GET:
        environ = dict(event.request.environ, PATH_INFO="/document/any", QUERY_STRING="")
        event.request.invoke_subrequest(Request(environ))


def add_mounts(config):
    config.add_route("mount", "/mount*subpath")
    config.add_view(wsgiapp2(mounted_app()), route_name="mount")
    config.add_route("deep", "/deep/{tenant}/app*subpath")
    config.add_view(wsgiapp2(mounted_app()), route_name="deep")
    config.add_route("plain", "/plain*subpath")
    config.add_view(wsgiapp2(plain_wsgi), route_name="plain")
    config.add_route("unmoved", "/page/{anything}")
    config.add_view(wsgiapp(mounted_app()), route_name="unmoved")


def make_app(**settings):
    with Configurator(settings=settings, root_factory=root_factory) as config:
        config.set_security_policy(Security())
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        config.include("gunicorn_prometheus_exporter_pyramid")
        config.add_tween(f"{__name__}.outer_tween_factory", under=INGRESS, over=EXCVIEW)
        config.add_tween(f"{__name__}.inner_tween_factory", under=EXCVIEW)
        config.add_subscriber(on_request, NewRequest)
        config.add_subscriber(on_context, ContextFound)
        config.add_subscriber(on_response, NewResponse)
        config.add_exception_view(says_sorry, context=Sorry)
        config.add_exception_view(says_commit_failed, context=CommitFailed)
        config.add_exception_view(fails_itself, context=Unlucky)
        config.add_exception_view(refuses, context=Refusing)
        config.add_exception_view(says_sorry, context=Deferring, request_param="never")
        config.add_exception_view(translated, context=Translated)
        add_traversal(config)
        config.include(add_routes)
        config.include(add_included, route_prefix="/api/v1")
        config.include(add_mounts)
        return config.make_wsgi_app()


def add_included(config):
    config.add_route("included", "inc/{y}")
    config.add_view(ok, route_name="included")
