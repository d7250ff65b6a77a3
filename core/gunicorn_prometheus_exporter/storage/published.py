"""What a store has that is published: an identity of its own, one publisher at a time, and what counts elsewhere."""

from __future__ import annotations

import os
import secrets
from typing import Protocol

from .files import FileStore
from .locks import is_held, try_lock
from .names import lock_name
from .segment import Segment
from .segments import Store

_INCARNATION = "incarnation"
_PUBLISHER_LOCK = "publisher.lock"
_SETTLED = "settled.bin"


class Published(Store, Protocol):
    """A store whose values are also somewhere else, as those of one incarnation."""

    @property
    def incarnation(self) -> str:
        """What tells these values from every other store's: 16 hexadecimal digits."""

    def renew_incarnation(self) -> None:
        """Become another: what the store was known as is not to be used again."""

    def try_lock_publisher(self) -> int | None:
        """Become the one that publishes, for as long as the descriptor is open; None if there is one."""

    def is_shared(self, owner: str) -> bool:
        """Whether another master than ``owner`` lives in the store."""

    def open_settled(self) -> Segment:
        """The share of the values that counts elsewhere for good, as that of an earlier incarnation.

        Its keys are those of the segments' values with the field of the segment in front: ``[field, key]``.
        """


class PublishedDirectory(FileStore):
    """A private directory in place of memory without a name, on systems that have none."""

    @property
    def incarnation(self) -> str:
        try:
            with open(os.path.join(self.directory, _INCARNATION)) as file:
                return file.read()
        except FileNotFoundError:
            self.renew_incarnation()
            return self.incarnation

    def renew_incarnation(self) -> None:
        path = os.path.join(self.directory, _INCARNATION)
        with open(f"{path}.new", "w") as file:
            file.write(secrets.token_hex(8))
        os.replace(f"{path}.new", path)

    def try_lock_publisher(self) -> int | None:
        return try_lock(os.path.join(self.directory, _PUBLISHER_LOCK))

    def is_shared(self, owner: str) -> bool:
        locks = (name for name in os.listdir(self.directory) if name.startswith("slot_m"))
        return any(is_held(os.path.join(self.directory, name)) for name in locks if name != lock_name(owner))

    def open_settled(self) -> Segment:
        return Segment(self._open(os.path.join(self.directory, _SETTLED)))
