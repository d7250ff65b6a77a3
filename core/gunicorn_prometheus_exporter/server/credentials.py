"""Who may see the metrics: users with passwords, and a token."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .http import Request
from .passwords import Passwords

# bcrypt looks at no more, and newer versions of the package say so by an error.
_BCRYPT_BYTES: Final = 72


class Answer(enum.Enum):
    """Whether a client may come in."""

    YES = enum.auto()
    NO = enum.auto()
    NOT_YET = enum.auto()


@dataclass(frozen=True, slots=True)
class _Password:
    key: bytes
    text: bytes
    hashed: bytes
    is_of_a_user: bool


class Credentials:
    """``users`` have a bcrypt hash each, by name; whoever has ``token`` needs no name. With neither, all may come in.

    A token is compared in constant time. The name of a user who does not exist takes the check of another's password,
    so that time does not tell names.
    """

    def __init__(self, users: Mapping[str, str], token: str | None, passwords: Passwords) -> None:
        self._users = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._token = None if token is None else _digest(token.encode())
        self._passwords = passwords

    @property
    def are_needed(self) -> bool:
        return bool(self._users) or self._token is not None

    @property
    def challenges(self) -> tuple[tuple[str, str], ...]:
        """The headers that ask a client who it is."""
        schemes = [*(["Basic"] if self._users else []), *(["Bearer"] if self._token is not None else [])]
        return tuple(("WWW-Authenticate", f'{scheme} realm="metrics"') for scheme in schemes)

    def answer(self, request: Request) -> Answer:
        """Whether ``request`` is to be answered; `Answer.NOT_YET` if `check` must find out."""
        if not self.are_needed:
            return Answer.YES
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._token is not None:
            shown = _digest(value.strip().encode("latin-1", "replace"))
            return Answer.YES if hmac.compare_digest(shown, self._token) else Answer.NO
        password = self._password_of(request)
        if password is None:
            return Answer.NO
        known = self._passwords.known(password.key)
        if known is None:
            return Answer.NOT_YET
        return Answer.YES if known and password.is_of_a_user else Answer.NO

    def check(self, request: Request, listener: Callable[[], None]) -> Callable[[], None]:
        """Find out, and call ``listener`` then, in any thread. Returns what takes that back. Raises TooManyAttempts."""
        password = self._password_of(request)
        if password is None:
            raise ValueError("there is no password to check")
        return self._passwords.check(password.key, password.text, password.hashed, _network(request.peer), listener)

    def _password_of(self, request: Request) -> _Password | None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not self._users:
            return None
        try:
            name, colon, text = base64.b64decode(value.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        if not colon:
            return None
        hashed = self._users.get(name)
        return _Password(
            self._digest(b"\0".join([_digest(name), hashed or b"", _digest(text)])),
            text[:_BCRYPT_BYTES],
            hashed or self._stand_in(name),
            hashed is not None,
        )

    def _stand_in(self, name: bytes) -> bytes:
        """A hash to check the password of nobody with: the same one for the same name, as it is for a user."""
        hashes = sorted(self._users.values())
        return hashes[int.from_bytes(self._digest(name)[:8], "big") % len(hashes)]

    def _digest(self, data: bytes) -> bytes:
        return hmac.digest(self._passwords.secret, data, "sha256")


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _network(address: str) -> str:
    """What one client has of addresses: an IPv4 address, or 64 bits' worth of IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
