"""The policy of the endpoint: who may see the metrics and how they are brought to them, as settings and files say."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from ..settings import Settings, SettingsError
from .tls import TlsConfig
from .web_config import RateLimit, WebConfig, read_web_config

_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9._~+/-]{8,4096}=*")

T = TypeVar("T")


class Strictness(NamedTuple):
    """What clients must bring."""

    tls: bool
    client_certificate: bool
    credentials: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force. ``users`` have a bcrypt hash each; ``context`` is None for plain HTTP."""

    context: ssl.SSLContext | None = None
    tls: TlsConfig | None = None
    users: Mapping[str, str] | None = None
    token: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    rate_limit: RateLimit | None = None

    @property
    def strictness(self) -> Strictness:
        return Strictness(
            self.context is not None,
            self.tls is not None and self.tls.client_auth is ssl.CERT_REQUIRED,
            bool(self.users) or self.token is not None,
        )


def files_of(settings: Settings, policy: Policy | None) -> list[str]:
    """The files that ``policy``, made from ``settings``, depends on."""
    files = [path for path in (settings.web_config_file, settings.bearer_token_file) if path]
    return files if policy is None or policy.tls is None else [*files, *policy.tls.files]


def read_policy(settings: Settings) -> Policy:
    """Read what ``settings`` name. Raises SettingsError with all problems."""
    problems: list[str] = []

    def collect(read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except SettingsError as error:
            problems.extend(error.problems)
            return default

    path = settings.web_config_file
    web = WebConfig() if path is None else collect(lambda: read_web_config(path), WebConfig())
    tls = collect(lambda: _tls_config(settings, web), None)
    context = None if tls is None else collect(lambda: _context(settings, web, tls), None)
    token = collect(lambda: _token(settings), None)
    if web.users:
        collect(lambda: _import_bcrypt(settings), None)
    if problems:
        raise SettingsError(problems)
    return Policy(context, tls, web.users, token, tuple(web.headers.items()), web.rate_limit)


def matches_bcrypt(password: bytes, hashed: bytes) -> bool:
    """Whether ``password`` is that of the bcrypt hash ``hashed``. Takes long, without the interpreter's lock."""
    import bcrypt

    return bcrypt.checkpw(password, hashed)


def _import_bcrypt(settings: Settings) -> None:
    try:
        import bcrypt  # noqa: F401
    except ImportError as error:
        command = "pip install 'gunicorn-prometheus-exporter[auth]'"
        raise SettingsError(
            [f"{settings.place('web_config_file')}: basic_auth_users needs bcrypt: {command}"]
        ) from error


def _tls_config(settings: Settings, web: WebConfig) -> TlsConfig | None:
    if not settings.ssl_enabled:
        return web.tls
    if web.tls is not None:
        both = f"has a tls_server_config, but {settings.place('ssl_certfile')} is set too; use one of them"
        raise SettingsError([f"{settings.place('web_config_file')}: {both}"])
    authorities = settings.ssl_client_cafile or settings.ssl_client_capath
    optional = ssl.CERT_OPTIONAL if authorities else ssl.CERT_NONE
    return TlsConfig(
        cert_file=settings.ssl_certfile,
        key_file=settings.ssl_keyfile,
        client_ca_file=settings.ssl_client_cafile,
        client_ca_path=settings.ssl_client_capath,
        client_auth=ssl.CERT_REQUIRED if settings.ssl_client_auth_required else optional,
    )


def _context(settings: Settings, web: WebConfig, tls: TlsConfig) -> ssl.SSLContext:
    try:
        return tls.context()
    except (OSError, ValueError) as error:
        place = settings.place("ssl_certfile")
        where = place if web.tls is None else f"{settings.web_config_file}: tls_server_config"
        raise SettingsError([f"{where}: {_explain(error, tls)}"]) from error


def _explain(error: OSError | ValueError, tls: TlsConfig) -> str:
    named = ", ".join(tls.files) or "what is written there"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return f"{named} cannot be used for TLS: {reason}"
    if isinstance(error, OSError) and error.strerror:
        for path in tls.files:
            try:
                with open(path, "rb"):
                    pass
            except IsADirectoryError:
                continue
            except OSError as unreadable:
                return f"{path} cannot be read: {unreadable.strerror}"
    return f"{named} cannot be used for TLS: {error}"


def _token(settings: Settings) -> str | None:
    path, place = settings.bearer_token_file, settings.place("bearer_token")
    if path is None:
        return None if settings.bearer_token is None else _checked_token(settings.bearer_token, place)
    file = settings.place("bearer_token_file")
    if settings.bearer_token is not None:
        raise SettingsError([f"{file}: {place} is set too; use one of them"])
    try:
        with open(path, "rb") as opened:
            text = opened.read(1 << 16).decode("ascii", "replace")
    except OSError as error:
        raise SettingsError([f"{file}: {path} cannot be read: {error.strerror or error}"]) from error
    return _checked_token(text.strip(), f"{file}: {path}")


def _checked_token(token: str, where: object) -> str:
    if not _TOKEN_FORM.fullmatch(token):
        raise SettingsError([f"{where}: is not a token: 8 to 4096 letters, digits and -._~+/, and = at the end"])
    return token
