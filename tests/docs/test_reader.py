from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.checked_only import check
from tests.docs.reader import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Reader(tmp_path) as reader:
        yield reader


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "print('a')\nassert False, 'wrong'"),
        ("python", "x ="),
        ("yaml", "a: [1"),
        ("toml", "a = "),
        ("json", "{"),
        ("ini", "a = 1"),
        ("console", "$ false"),
        ("console", "$ echo a\nb"),
        ("console", "b\n$ echo a"),
        ("bash", "exit 3"),
        ("", "anything"),
        ("ruby", "anything"),
        ("console", "$ gunicorn --no-such-option app:app"),
        ("console", "$ pip install gunicorn-prometheus-exporter[no_such_extra]"),
        ("console", "$ pip install some-other-distribution"),
        ("console", "$ make no-such-target"),
        ("console", "$ kubectl apply -f tests/no-such-file.yaml"),
    ],
)
def test_a_wrong_block_fails_with_its_line(reader: Reader, language: str, text: str) -> None:
    with pytest.raises(AssertionError, match="line 2: "):
        reader.follow("\n" + fenced(language, text))


@pytest.mark.parametrize(
    "command",
    [
        "pip install gunicorn-prometheus-exporter",
        'pip install "gunicorn-prometheus-exporter[redis,flask]>=1.0a1"',
        "python -m pip install -e '.[dev]'",
        "pip install gunicorn flask",
        "make test PYTEST_ARGS=-x",
        "kubectl apply -f tests/conftest.py",
    ],
)
def test_what_is_only_checked_is_accepted_when_it_exists(command: str) -> None:
    assert check(command)


def test_blocks_share_files_and_exported_variables(reader: Reader) -> None:
    reader.follow(
        fenced("python", "# settings_of_mine.py\nVALUE = 1")
        + fenced("bash", "export WORD='a  b'")
        + fenced("python", "import settings_of_mine\nassert settings_of_mine.VALUE == 1")
        + fenced("yaml", "# some.yml\na: 1")
        + fenced("console", '$ echo "$WORD"\na  b\n$ cat some.yml\n...\na: 1')
        + fenced("text", "nothing of this is run")
    )


def test_a_failure_shows_what_the_servers_wrote(reader: Reader) -> None:
    with pytest.raises(AssertionError, match=r"exited 1(?s:.*)gunicorn wrote:(?s:.*)Listening at"):
        reader.follow(fenced("console", "$ gunicorn app:app\n$ false"))


def test_a_server_answers_until_the_page_starts_it_anew(reader: Reader) -> None:
    reader.follow(
        fenced("console", "$ gunicorn app:app\n...Listening at: http://127.0.0.1:8000...")
        + fenced("console", "$ curl -s http://127.0.0.1:8000/\nHello")
        + fenced("python", "# other.py\nfrom app import app as first\n\napp = lambda e, s: [*first(e, s), b'again\\n']")
        + fenced("console", "$ GREETING=1 gunicorn -w 2 other:app &\n$ curl -s http://127.0.0.1:8000/\nHello\nagain")
    )


@pytest.mark.parametrize(
    ("server", "then", "told"),
    [
        ("gunicorn --pid ./pid app:app", "kill $(cat pid); sleep 1", "gunicorn ended with 0"),
        ("gunicorn no_such_module:app", "sleep 2", r"ended(?s:.*)No module named .no_such_module"),
        ("gunicorn -c bad.conf.py app:app", "sleep 1", "gunicorn, stopped, exited 7"),
    ],
)
def test_a_server_that_does_not_last_or_fails_at_its_end_fails_the_page(
    tmp_path: Path, server: str, then: str, told: str
) -> None:
    bad_exit = fenced("python", "# bad.conf.py\nimport os\n\ndef on_exit(server):\n    os._exit(7)")
    with pytest.raises(AssertionError, match=told), Reader(tmp_path) as reader:
        reader.follow(bad_exit + fenced("console", f"$ {server}") + fenced("bash", then))
