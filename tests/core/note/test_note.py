"""The request note, as a bridge uses it."""

from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.note import NOTE_KEY, RequestNote, note_of


def noted(note: RequestNote) -> list[tuple[str, bool, str]]:
    return [(each.error_type, each.handled, each.source) for each in note.exceptions or ()]


def test_outside_an_instrumented_worker() -> None:
    """A bridge may say what it likes: nothing is kept, whoever asks next."""
    for environ in ({}, {NOTE_KEY: None}, {NOTE_KEY: object()}):
        note = note_of(environ)
        note.endpoint("/users")
        note.handled(ValueError(), "flask")
        note.unhandled(ValueError(), "flask")
        assert (note_of({}).template, note_of({}).exceptions) == (None, None)


def test_a_copied_environ_shares_the_note() -> None:
    """As a mounted application's does."""
    environ = {NOTE_KEY: RequestNote()}
    note_of(dict(environ)).endpoint("/users/<int:id>")
    assert note_of(environ).template == "/users/<int:id>"


def test_the_last_template_counts() -> None:
    """A router may think again."""
    note = RequestNote()
    note.endpoint("/a")
    note.endpoint("/b")
    assert note.template == "/b"


@pytest.mark.parametrize("template", ["/" + "x" * 1000, "/" + "é" * 1000, "/\udcff", "/\x00"])
def test_templates_are_labels(template: str) -> None:
    """Of bounded length and valid UTF-8, whatever was given."""
    note = RequestNote()
    note.endpoint(template)
    assert note.template is not None
    assert len(note.template) <= 200
    note.template.encode("utf-8")


def test_an_exception_is_noted_once() -> None:
    """However many see it; the last one's verdict counts."""
    note = RequestNote()
    error = ValueError("x")
    note.unhandled(error, "flask")
    note.unhandled(error, "flask")
    note.handled(error, "flask")
    assert noted(note) == [("ValueError", True, "flask")]


def test_different_exceptions_are_noted_each() -> None:
    """Of one class too, and though the first may be gone and its place in memory taken."""
    note = RequestNote()
    for _ in range(3):
        note.handled(KeyError(), "django")
    note.unhandled(TypeError(), "django")
    assert noted(note) == [("KeyError", True, "django")] * 3 + [("TypeError", False, "django")]


def test_exceptions_are_bounded() -> None:
    """A request that raises without an end is no reason to keep all of it; the last one stays."""
    note = RequestNote()
    for _ in range(1000):
        note.handled(ValueError(), "flask")
    note.unhandled(TypeError(), "flask")
    assert len(noted(note)) == 16
    assert noted(note)[-1] == ("TypeError", False, "flask")


def test_an_exception_that_lost_what_it_was_raised_from_is_known_again() -> None:
    """Django 6.1's task group takes it away; it is enough to have been told of it before."""
    note, first, second = RequestNote(), ValueError(), LookupError()
    second.__context__ = first
    note.handled(first, "django")
    note.unhandled(second, "django")
    second.__context__ = None
    note.unhandled(second, "asgi")
    note.unhandled(first, "asgi")
    assert [(seen.error_type, seen.handled, seen.source) for seen in note.exceptions or ()] == [
        ("ValueError", False, "django")
    ]
