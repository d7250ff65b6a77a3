"""The connection to Redis that the settings describe: one server, its Unix socket, Sentinels or a cluster."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from ..settings import Settings, SettingsError

if TYPE_CHECKING:
    from types import ModuleType

_SSL_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_URL_FORM: Final = "redis://, rediss:// (TLS) or unix:// followed by [user:password@]host:port/database"
_MASK: Final = "***"
# redis-py quotes the command of a pipeline that failed, and with it what was to be stored.
_COMMAND: Final = re.compile(r"\ACommand # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)


class RedisTrouble(Exception):
    """An exchange with Redis that failed. The message names the server and the cause, and no secret."""


class RedisConnection:
    """Connects when it is first used, and again whenever that is needed. For one thread at a time.

    Raises SettingsError for settings that no server could be reached with, and if redis-py is not installed. Whether
    there is a server shows in the first `exchange`.
    """

    def __init__(self, settings: Settings) -> None:
        self._redis = _library()
        self.is_cluster: Final = settings.redis_cluster
        self._sentinels = settings.redis_sentinel_hosts
        self._service = settings.redis_sentinel_service or ""
        self._url_place = settings.place("redis_url")
        self._options = self._connection_options(settings)
        self._sentinel_options = _sentinel_options(self._options, settings.redis_sentinel_password)
        self._secrets = _secrets_in(settings, self._options)
        self._client: Any = None
        self.address: Final = self._describe()
        """What the connection goes to, for messages: without credentials."""

    @contextmanager
    def exchange(self) -> Iterator[Any]:
        """A client of redis-py, for the time of the block. Whatever fails there is a RedisTrouble.

        Replies are bytes, a command waits for the settings' timeout at most and is not tried again.
        """
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except (self._redis.RedisError, OSError, UnicodeError) as error:
            trouble = RedisTrouble(f"{self.address}: {self.masked(error)}")
            self._after_failure()
            try:
                raise trouble from None
            finally:
                # It would carry into a traceback what redis-py quotes: the command, and with it what was to be stored.
                trouble.__context__ = None

    def transaction(self, client: Any, key: str) -> Any:
        """A pipeline that is one MULTI/EXEC, for keys that share the hash tag of ``key``. It can WATCH."""
        if self.is_cluster:
            # The pipeline of a cluster's client has had no transactions for long: this one is of the node itself.
            client = client.get_redis_connection(client.get_node_from_key(key))
        return client.pipeline(transaction=True)

    @property
    def watch_error(self) -> type[Exception]:
        """What a transaction raises if somebody else has changed what it watched."""
        error: type[Exception] = self._redis.WatchError
        return error

    def masked(self, error: BaseException) -> str:
        """What ``error`` says, without secrets."""
        text = " ".join(_COMMAND.sub("", str(error)).split()) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def close(self) -> None:
        """Close the connections. The next `exchange` opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def abandon(self) -> None:
        """In a forked child: the connections are the parent's, and are neither used nor closed here."""
        self._client = None

    def _connect(self) -> Any:
        if self._sentinels:
            from redis.sentinel import Sentinel

            sentinel = Sentinel(list(self._sentinels), sentinel_kwargs=self._sentinel_options, **self._options)
            return sentinel.master_for(self._service)
        if self.is_cluster:
            from redis.cluster import RedisCluster

            return RedisCluster(**self._options)
        return self._redis.Redis(**self._options)

    def _after_failure(self) -> None:
        """A cluster whose slots have moved, or a server that hung, is met anew the next time."""
        try:
            self.close()
        except (self._redis.RedisError, OSError):
            self._client = None

    def _connection_options(self, settings: Settings) -> dict[str, Any]:
        problems = []
        options: dict[str, Any] = {
            "host": settings.redis_host,
            "port": settings.redis_port,
            "db": settings.redis_db,
            "username": settings.redis_username,
            "password": settings.redis_password,
            "unix_socket_path": settings.redis_socket,
            "ssl": settings.redis_ssl,
            "ssl_ca_certs": settings.redis_ssl_ca_certs,
            "ssl_certfile": settings.redis_ssl_certfile,
            "ssl_keyfile": settings.redis_ssl_keyfile,
            "ssl_check_hostname": True,
            "socket_timeout": settings.redis_timeout,
            "socket_connect_timeout": settings.redis_timeout,
            "protocol": 2,
            "decode_responses": False,
        }
        if settings.redis_url is not None:
            problems += self._take_url(settings.redis_url, options)
        if options["unix_socket_path"]:
            options["ssl"] = False
        options["retry"] = _no_retry()
        if not options["ssl"]:
            options = {name: value for name, value in options.items() if not name.startswith("ssl_")}
        problems += _unreadable_files(settings, options)
        problems += self._contradictions(options)
        if problems:
            raise SettingsError(problems)
        if self.is_cluster:
            # A cluster has one database, and only TCP.
            for name in ("db", "unix_socket_path"):
                options.pop(name)
        if self._sentinels:
            for name in ("host", "port", "unix_socket_path"):
                options.pop(name)
        return options

    def _take_url(self, url: str, options: dict[str, Any]) -> list[str]:
        """Let the parts of ``url`` win over ``options``. Returns what is wrong with it, which quotes none of it."""
        from redis.connection import SSLConnection, UnixDomainSocketConnection, parse_url

        try:
            parts: dict[str, Any] = dict(parse_url(url))
        except ValueError:
            return [f"{self._url_place}: {_MASK} is not a URL of the form {_URL_FORM}"]
        kind = parts.pop("connection_class", None)
        if "path" in parts:
            parts["unix_socket_path"] = parts.pop("path")
        elif "host" in parts:
            options["unix_socket_path"] = None
        if kind is UnixDomainSocketConnection and not parts.get("unix_socket_path"):
            return [f"{self._url_place}: {_MASK} has no path after unix://"]
        known = inspect.signature(self._redis.Redis).parameters
        unknown = sorted(set(parts) - set(known))
        if unknown:
            return [f"{self._url_place}: {_MASK} has options that redis-py does not know: {', '.join(unknown)}"]
        options |= {**parts, "ssl": kind is SSLConnection}
        return []

    def _contradictions(self, options: Mapping[str, Any]) -> list[str]:
        """What a URL may say that no cluster has."""
        problems = []
        if self.is_cluster and options["db"]:
            problems.append(
                f"{self._url_place}: database {options['db']} is not 0, the only one of a cluster (REDIS_CLUSTER)"
            )
        if self.is_cluster and options["unix_socket_path"]:
            problems.append(f"{self._url_place}: a cluster (REDIS_CLUSTER) is not reached by a Unix socket")
        return problems

    def _describe(self) -> str:
        if self._sentinels:
            return f"Redis {self._service!r} of Sentinel " + ", ".join(
                f"{host}:{port}" for host, port in self._sentinels
            )
        if self._options.get("unix_socket_path"):
            return f"Redis at {self._options['unix_socket_path']}"
        return f"Redis{' Cluster' if self.is_cluster else ''} at {self._options['host']}:{self._options['port']}"


def _library() -> ModuleType:
    try:
        import redis
    except ImportError as error:
        needs = "redis-py, which is not installed: pip install 'gunicorn-prometheus-exporter[redis]'"
        raise SettingsError([f"REDIS_ENABLED (exporter.redis.enabled): needs {needs}"]) from error
    return redis


def _no_retry() -> Any:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Retry(NoBackoff(), 0)


def _unreadable_files(settings: Settings, options: Mapping[str, Any]) -> list[str]:
    wrong = [name for name in _SSL_FILES if options.get(name) and not os.access(options[name], os.R_OK)]
    return [f"{settings.place(f'redis_{name}')}: {options[name]!r} is not a file that can be read" for name in wrong]


def _sentinel_options(options: Mapping[str, Any], password: str | None) -> dict[str, Any]:
    """Sentinels have a password of their own, and the same TLS as the server."""
    shared = {
        name: value for name, value in options.items() if name.startswith(("ssl", "socket_", "retry", "protocol"))
    }
    return {**shared, "password": password}


def _secrets_in(settings: Settings, options: Mapping[str, Any]) -> tuple[str, ...]:
    """What no message may show, in each form it may be in; the longest first."""
    found = {settings.redis_password, settings.redis_sentinel_password, settings.redis_url, options.get("password")}
    if settings.redis_url is not None:
        _, _, location = settings.redis_url.partition("://")
        credentials, at, _ = location.rpartition("@")
        found |= {credentials.partition(":")[2], unquote(credentials.partition(":")[2])} if at else set()
        found.add(urlsplit(settings.redis_url).query)
    return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))
