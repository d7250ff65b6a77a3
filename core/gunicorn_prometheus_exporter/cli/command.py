"""What a command of the command line is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``run`` gets the parsed arguments and returns the exit status: 0 done, 1 failed, 2 wrong use."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class CommandFailed(Exception):
    """What was asked for cannot be done. The message is for people, in a line."""
