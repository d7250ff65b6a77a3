"""Reads the fenced blocks of a Markdown page, and the commands and expected output in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>[\w+-]*)")
# A block whose first line is a comment with nothing but a file name is that file.
FILE_NAME = re.compile(r"^(?:#|;)\s*(?P<name>[\w.-]+(?:/[\w.-]+)*\.\w+)\s*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: ``line`` is where its fence opens, counted from 1."""

    language: str
    text: str
    line: int

    @property
    def file_name(self) -> str | None:
        """The name of the file this block is, if its first line gives one."""
        match = FILE_NAME.match(self.text.split("\n", 1)[0])
        return match["name"] if match else None


@dataclass(slots=True)
class Command:
    """One command of a console block and the lines that are shown below it."""

    text: str
    expected: list[str]


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order. Raises ValueError for a fence that is never closed."""
    lines = enumerate(page.splitlines(), start=1)
    for number, line in lines:
        fence = FENCE.match(line)
        if not fence:
            continue
        body = []
        for _, inner in lines:
            if inner.strip() == "```":
                break
            body.append(inner.removeprefix(fence["indent"]))
        else:
            raise ValueError(f"line {number}: the block is never closed")
        yield Block(fence["language"], "\n".join(body), number)


def commands(block: Block) -> list[Command]:
    """Split a block into commands.

    In ``console`` a command starts with ``$`` and what follows is its output; in ``bash`` every line is a command.
    A backslash at the end of a line continues the command.
    """
    found: list[Command] = []
    continued = False
    for line in block.text.splitlines():
        if continued:
            found[-1].text += "\n" + line
        elif block.language == "bash":
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found.append(Command(line, []))
        elif line.startswith("$ "):
            found.append(Command(line[2:], []))
        elif found:
            found[-1].expected.append(line)
        elif line.strip():
            raise ValueError(f"line {block.line}: output before the first command: {line!r}")
        continued = bool(found) and not found[-1].expected and found[-1].text.endswith("\\")
    return found


def missing_line(output: str, expected: list[str]) -> str | None:
    """Return the first expected line that the output lacks, or None.

    The lines are looked for in their order; the output may have others between. ``...`` stands for anything.
    """
    lines = iter(output.splitlines())
    for line in expected:
        if line.strip() in ("", "..."):
            continue
        pattern = re.compile(".*".join(map(re.escape, line.rstrip().split("..."))))
        if not any(pattern.fullmatch(candidate.rstrip()) for candidate in lines):
            return line
    return None
