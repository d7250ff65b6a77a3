"""Many commands in few round trips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Command = tuple[str | bytes | int, ...]

_AT_ONCE: Final = 3000
"""Commands in one pipeline: more of them would only make one wait longer for an answer, and take more memory."""


class WrongType:
    """The reply of a command to a key that holds another type of value: somebody else's, under our prefix."""


WRONG_TYPE: Final = WrongType()


def ask(client: Any, commands: Sequence[Command]) -> list[Any]:
    """The replies to ``commands``, which are not a transaction. A key of another type gives `WRONG_TYPE`."""
    replies: list[Any] = []
    for start in range(0, len(commands), _AT_ONCE):
        with client.pipeline(transaction=False) as pipeline:
            for command in commands[start : start + _AT_ONCE]:
                pipeline.execute_command(*command)
            replies += pipeline.execute(raise_on_error=False)
    for position, reply in enumerate(replies):
        if isinstance(reply, Exception):
            if not str(reply).startswith("WRONGTYPE"):
                raise reply
            replies[position] = WRONG_TYPE
    return replies
