"""The note: what the three verbs make of what they are told."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gunicorn_prometheus_exporter.note import NOTE_KEY, UNMATCHED, RequestNote, note_of


def environ(path: str, script_name: str = "", **headers: str) -> dict[str, Any]:
    return {"PATH_INFO": path, "SCRIPT_NAME": script_name, **headers}


def verdicts(note: RequestNote) -> list[tuple[str, bool]]:
    return [(noted.error_type, noted.handled) for noted in note.exceptions or ()]


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """``error`` as it is caught, with its traceback."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_the_note_is_found_however_often_environ_is_copied() -> None:
    note = RequestNote()
    environ = {NOTE_KEY: note}
    assert note_of({**environ.copy(), "SCRIPT_NAME": "/x"}) is note


@pytest.mark.parametrize("found", [{}, {NOTE_KEY: "a client's?"}, {NOTE_KEY: None}])
def test_without_a_worker_of_ours_nothing_is_kept(found: dict[str, Any]) -> None:
    note = note_of(found)
    note.endpoint("/x", environ("/x"))
    note.handled(ValueError(), "test")
    note.unhandled(ValueError(), "test")
    assert (note.template, note.exceptions) == (None, None)


# --- endpoints


def test_the_last_template_of_a_router_counts() -> None:
    note = RequestNote("/a/b")
    for template in ("/a/<x>", "/<y>/b"):
        note.endpoint(template, environ("/a/b"))
    assert note.template == "/<y>/b"


def test_without_environ_a_template_is_taken_as_it_is() -> None:
    note = RequestNote("/sub/x")
    note.endpoint("/<tenant>/x")
    assert note.template == "/<tenant>/x"


def test_an_outer_router_that_repeats_itself_changes_nothing() -> None:
    note = RequestNote("/m/x")
    note.endpoint("/m/*subpath", environ("/m/x"))
    note.endpoint("/<x>", environ("/x", "/m"))
    note.endpoint("/m/*subpath", environ("/m/x"))
    assert note.template == "/m/<x>"


@pytest.mark.parametrize(
    ("outer", "mount", "joined"),
    [
        ("/m/*subpath", "/m", "/m/in/<x>"),
        ("/m*subpath", "/m", "/m/in/<x>"),
        ("/m/<path:rest>", "/m", "/m/in/<x>"),
        ("/m/{rest}", "/m", "/m/in/<x>"),
        ("/m/", "/m", "/m/in/<x>"),
        ("/m/<a>/<b>/<path:rest>", "/m/1/2", "/m/<a>/<b>/in/<x>"),
        ("/<path:rest>", "/m/1/2", "/<path:rest>/in/<x>"),
        ("/*all", "/m", "/in/<x>"),
    ],
)
def test_an_inner_template_is_joined_to_the_outer_one(outer: str, mount: str, joined: str) -> None:
    note = RequestNote(f"{mount}/in/1")
    note.endpoint(outer, environ(f"{mount}/in/1"))
    note.endpoint("/in/<x>", environ("/in/1", mount))
    assert note.template == joined


def test_three_levels() -> None:
    """A dispatcher, a router below it, and another one below that."""
    note = RequestNote("/d/r/7/x")
    note.endpoint("/r/<int:n>/<path:rest>", environ("/r/7/x", "/d"))
    assert note.template == "/d/r/<int:n>/<path:rest>"
    note.endpoint("/<x>", environ("/x", "/d/r/7"))
    assert note.template == "/d/r/<int:n>/<x>"
    note.endpoint(UNMATCHED, environ("/x", "/d/r/7"))
    assert note.template == UNMATCHED


@pytest.mark.parametrize("asked", ["/mount", "/mount/", "/mount//"])
def test_a_mount_is_known_with_or_without_its_slash(asked: str) -> None:
    """A dispatcher hands a mounted application `/`, whichever of these the client asked for."""
    note = RequestNote(asked)
    note.endpoint("/mount*subpath", environ(asked))
    note.endpoint("/", environ("/", "/mount"))
    assert note.template == "/mount/"


def test_a_router_that_found_nothing_is_no_mount() -> None:
    """A cascade: the first application knows nothing, the second does, below a mount."""
    note = RequestNote("/d/x")
    note.endpoint(UNMATCHED, environ("/d/x"))
    note.endpoint("/<x>", environ("/x", "/d"))
    assert note.template == "/d/<x>"


def test_a_path_that_was_rewritten_is_no_mount() -> None:
    note = RequestNote("/de/x")
    note.endpoint("/<x>", environ("/x"))
    assert note.template == "/<x>"
    note = RequestNote("/old")
    note.endpoint("/new/<x>", environ("/new/1"))
    assert note.template == "/new/<x>"


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_SCRIPT_NAME": "/evil"},
        {"HTTP_X_SCRIPT_NAME": "evil/"},
        {"HTTP_X_SCRIPT_NAME": "/evil/m"},
        {"HTTP_X_SCRIPT_NAME": "/m"},
        {"HTTP_X_FORWARDED_PREFIX": "/a, /evil"},
    ],
)
def test_a_prefix_that_a_header_spells_is_left_out(headers: dict[str, str]) -> None:
    note = RequestNote("/evil/m/x")
    note.endpoint("/<x>", environ("/x", "/evil/m", **headers))
    assert note.template == "/<x>"


@pytest.mark.parametrize("headers", [{}, {"HTTP_ACCEPT_LANGUAGE": "de"}, {"HTTP_COOKIE": "a=de"}, {"HTTP_X": "/d"}])
def test_a_prefix_that_no_header_spells_is_kept(headers: dict[str, str]) -> None:
    note = RequestNote("/de/x")
    note.endpoint("/<x>", environ("/x", "/de", **headers))
    assert note.template == "/de/<x>"


def test_a_template_is_of_bounded_length_and_valid_utf_8() -> None:
    note = RequestNote()
    note.endpoint("/" + "x" * 1000)
    assert len(note.template or "") == 200
    note.endpoint("/caf\u00e9/\udcff")
    assert note.template == "/caf\u00e9/?"
    note = RequestNote("/caf\u00c3\u00a9\u00ff/x")
    note.endpoint("/<x>", environ("/x", "/caf\u00c3\u00a9\u00ff"))
    assert note.template == "/caf\u00e9\ufffd/<x>"


# --- exceptions


def test_an_exception_is_noted_once_and_the_last_verdict_counts() -> None:
    note, error = RequestNote(), raised(ValueError())
    note.handled(error, "flask")
    note.unhandled(error, "flask")
    assert verdicts(note) == [("ValueError", False)]
    note.handled(error, "django")
    assert verdicts(note) == [("ValueError", True)]
    assert note.exceptions is not None
    assert note.exceptions[0].source == "flask"


def test_an_exception_raised_from_a_noted_one_is_the_same() -> None:
    note = RequestNote()
    first = raised(ValueError())
    note.handled(first, "flask")
    note.unhandled(raised(RuntimeError(), raised(KeyError(), first)), "wsgi")
    assert verdicts(note) == [("ValueError", False)]


def test_an_exception_raised_while_handling_a_noted_one_is_the_same() -> None:
    note = RequestNote()
    try:
        try:
            raise ValueError
        except ValueError as first:
            note.handled(first, "flask")
            raise KeyError from None
    except KeyError as second:
        note.unhandled(second, "flask")
    assert verdicts(note) == [("ValueError", False)]


def test_exceptions_chained_in_a_circle() -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    note = RequestNote()
    note.unhandled(one, "test")
    note.unhandled(two, "test")
    assert verdicts(note) == [("ValueError", False)]


def test_an_address_used_again_is_another_exception() -> None:
    """Exceptions that are gone make room for new ones at the same place in memory."""
    note, places = RequestNote(), set()
    for _ in range(10):
        error = ValueError()
        places.add(id(error))
        note.unhandled(error, "test")
        del error
    assert len(places) < 10, "the premise: an address came again"
    assert verdicts(note) == [("ValueError", False)] * 10


@contextmanager
def no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_noted_exception_is_not_kept() -> None:
    """Neither it nor its frames, and no cycle that only the collector could break."""

    class Watched(Exception):
        pass

    class Local:
        pass

    def fail() -> None:
        local = Local()
        references.append(weakref.ref(local))
        try:
            raise Watched
        except Watched as error:
            note.unhandled(error, "test")
            references.append(weakref.ref(error))

    note = RequestNote()
    references: list[weakref.ref[Any]] = []
    with no_collector():
        fail()
        assert [reference() for reference in references] == [None, None]
    assert verdicts(note) == [("Watched", False)]


def test_a_request_notes_a_bounded_number_of_exceptions() -> None:
    """The last one has its place: it is the one that ended the request."""
    note = RequestNote()
    for _ in range(100):
        note.handled(ValueError(), "test")
    note.unhandled(KeyError(), "test")
    assert len(verdicts(note)) == 16
    assert verdicts(note)[-1] == ("KeyError", False)


def test_the_name_of_a_class_is_of_bounded_length() -> None:
    note = RequestNote()
    note.handled(type("E" * 500, (Exception,), {})(), "test")
    assert verdicts(note) == [("E" * 100, True)]
