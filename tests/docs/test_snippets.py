from __future__ import annotations

import pytest

from tests.docs.snippets import Block, blocks, commands, missing_line

PAGE = """\
Text.

```python
# app.py
x = 1
```

1. In a list:

   ```console
   $ echo a \\
       b
   a b

   $ true
   ```
"""


def test_blocks_have_their_language_text_and_line() -> None:
    python, console = blocks(PAGE)
    assert python == Block("python", "# app.py\nx = 1", 3)
    assert console.line == 10
    assert console.text.startswith("$ echo a \\\n    b\n")


def test_a_block_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 1: the block is never closed"):
        list(blocks("```text\n"))


@pytest.mark.parametrize(
    ("first", "name"),
    [("# conf/my-app.yml", "conf/my-app.yml"), ("; site.ini", "site.ini"), ("# see app.py", None), ("import os", None)],
)
def test_a_first_line_that_is_only_a_file_name_names_the_file(first: str, name: str | None) -> None:
    assert Block("python", f"{first}\nx = 1", 1).file_name == name


def test_a_console_block_has_commands_and_their_output() -> None:
    _, console = blocks(PAGE)
    assert [(command.text, command.expected) for command in commands(console)] == [
        ("echo a \\\n    b", ["a b", ""]),
        ("true", []),
    ]


def test_a_bash_block_has_a_command_a_line() -> None:
    found = commands(Block("bash", "# first\nexport A=1\n\necho $A", 1))
    assert [command.text for command in found] == ["export A=1", "echo $A"]


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        (["a 1.0", "c"], None),
        (["a ..."], None),
        (["...", "c", ""], None),
        (["c", "a 1.0"], "a 1.0"),
        (["a 1"], "a 1"),
        (["a 1.0", "a 1.0"], "a 1.0"),
    ],
)
def test_lines_are_looked_for_in_order(expected: list[str], missing: str | None) -> None:
    assert missing_line("a 1.0\nb\nc\n", expected) == missing
