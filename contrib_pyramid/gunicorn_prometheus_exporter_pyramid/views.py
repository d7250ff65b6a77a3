"""The views of an application: the first one that is called says where a request belongs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .route import TRAVERSE, Routes
from .tweens import note_answered

View = Callable[[Any, Any], Any]


class FoundViews:
    """Notes the views that are found, in one application with these ``routes``.

    What a client asked for in vain names nothing.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def derive(self, view: View, info: Any) -> View:
        """A view deriver, outside of the permission check: a view that is forbidden was found."""
        note_view = self._routes.note_view
        found = view_name(info.options.get("context"), info.options.get("name"))

        def found_view(context: Any, request: Any) -> Any:
            if request.exception is None:
                note_view(request, found)
            else:
                # Called as an exception view, for whatever it was registered.
                request.add_response_callback(note_answered)
            return view(context, request)

        return found_view


def view_name(context: Any, name: str | None) -> str:
    """What names a view: ``Folder#edit``, or ``Folder`` for its default view. ``*traverse`` is a context of any kind.

    ``context`` is the class or interface for which the view was registered, not that of the resource.
    """
    kind = TRAVERSE if context is None else getattr(context, "__name__", type(context).__name__)
    return f"{kind}#{name}" if name else kind
