"""Real Redis servers for tests: alone, with TLS, a cluster, a primary with a replica and a Sentinel.

Through the fixtures of ``conftest.py``::

    def test_comes_back(redis_server):
        server = redis_server()                  # on a free port of 127.0.0.1, nothing on disk
        server.client().set("a", "1")
        server.pause(); ...; server.resume()     # SIGSTOP, SIGCONT: it hangs, the port still accepts
        server.stop(); ...; server.start()       # gone, then back on the same port, empty

Every process is started in a session of its own and ended by its pid.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.provision import tool
from tests.e2e.harness import free_port, wait_until

BOOT_SECONDS = 30.0


class Certificates:
    """A certificate authority, a server's certificate for 127.0.0.1 and localhost, and a client's, as files."""

    def __init__(self, home: Path) -> None:
        authority = trustme.CA()
        self.ca = home / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.server, self.server_key = self._issue(authority, home, "server", "127.0.0.1", "localhost")
        self.client, self.client_key = self._issue(authority, home, "client", "client.example")

    def _issue(self, authority: trustme.CA, home: Path, name: str, *identities: str) -> tuple[Path, Path]:
        leaf = authority.issue_cert(*identities)
        certificate, key = home / f"{name}.pem", home / f"{name}.key"
        for pem in leaf.cert_chain_pems:
            pem.write_to_path(str(certificate), append=True)
        leaf.private_key_pem.write_to_path(str(key))
        return certificate, key


class RedisServer:
    """One redis-server on a free port. ``options`` are its own: ``["--maxmemory", "2mb"]``.

    With ``tls`` it speaks nothing but TLS and demands a client's certificate; with ``port=0`` it has a Unix socket
    (``self.socket``) and no port. ``sentinel`` is the text of a Sentinel's configuration, which makes it one.
    ``password`` is only for the clients that `client` makes; the server gets it by ``options``. So does ``host``, where
    it is not 127.0.0.1. ``prefix`` is a command that starts the server.
    """

    def __init__(
        self,
        options: Sequence[str] = (),
        *,
        port: int | None = None,
        tls: bool = False,
        sentinel: str | None = None,
        password: str | None = None,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self.host = host
        self.home = Path(tempfile.mkdtemp(prefix="gpe-redis-"))
        self.port = free_port() if port is None else port
        self.socket = self.home / "redis.sock"
        self.certificates = Certificates(self.home) if tls else None
        self.process: subprocess.Popen[bytes] | None = None
        self._password = password
        self._command = [*prefix, str(tool("redis-server"))]
        if sentinel is not None:
            (self.home / "sentinel.conf").write_text(sentinel)
            self._command += [str(self.home / "sentinel.conf"), "--sentinel", "--dir", str(self.home)]
        else:
            self._command += ["--save", "", "--appendonly", "no", "--dir", str(self.home)]
            self._command += ["--unixsocket", str(self.socket)]
        self._command += ["--bind", "127.0.0.1", "--port", "0" if tls else str(self.port)]
        if self.certificates is not None:
            files = self.certificates
            self._command += ["--tls-port", str(self.port), "--tls-ca-cert-file", str(files.ca)]
            self._command += ["--tls-cert-file", str(files.server), "--tls-key-file", str(files.server_key)]
        self._command += options
        self.start()

    @property
    def url(self) -> str:
        """Its ``redis://`` or ``rediss://`` URL, without credentials."""
        return f"redis{'s' if self.certificates else ''}://127.0.0.1:{self.port}/0"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def client(self, **options: Any) -> Any:
        """A new client, with short timeouts."""
        given: dict[str, Any] = {"socket_timeout": 10, "socket_connect_timeout": 10, "password": self._password}
        given["retry"] = Retry(NoBackoff(), 0)
        if self.port == 0:
            given["unix_socket_path"] = str(self.socket)
        else:
            given |= {"host": self.host, "port": self.port}
        if self.certificates is not None:
            files = self.certificates
            given |= {"ssl": True, "ssl_ca_certs": str(files.ca), "ssl_certfile": str(files.client)}
            given["ssl_keyfile"] = str(files.client_key)
        return redis.Redis(**{**given, **options})

    def start(self) -> None:
        """Start it, or start it again on the same port: empty, unless ``options`` made it write to its home."""
        log = (self.home / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self._command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_until(self._answers, BOOT_SECONDS, "redis-server answers")
        except BaseException as error:
            log_text = self.log()
            self.remove()
            raise AssertionError(f"redis-server did not start: {error}\n{log_text}") from error

    def stop(self, signum: int = SIGKILL) -> None:
        """End it, by default without a last word. Safe to call again."""
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.process.pid, signum)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, SIGCONT)
        self.process.wait(30)

    def pause(self) -> None:
        """Let it hang: it keeps its connections and answers nothing."""
        assert self.process is not None
        os.kill(self.process.pid, SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, SIGCONT)

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    def remove(self) -> None:
        """Stop it and forget its directory."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        assert self.running, "it has ended"
        try:
            with contextlib.closing(self.client()) as client:
                return bool(client.ping())
        except (redis.exceptions.AuthenticationError, redis.exceptions.ResponseError):
            return True
        except redis.exceptions.RedisError:
            return False


class RedisCluster:
    """Three primaries that share the slots of a Redis Cluster evenly."""

    SLOTS = 16384

    def __init__(self, options: Sequence[str] = ()) -> None:
        self.nodes: list[RedisServer] = []
        try:
            for number in range(3):
                cluster = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
                cluster += ["--cluster-node-timeout", "3000", "--cluster-port", str(free_port())]
                self.nodes.append(RedisServer([*cluster, *options]))
                first, last = number * self.SLOTS // 3, (number + 1) * self.SLOTS // 3 - 1
                self.nodes[-1].client().execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            for node in self.nodes[1:]:
                bus = int(self.nodes[0].client().config_get("cluster-port")["cluster-port"])
                node.client().execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port, bus)
            wait_until(lambda: all(map(self._complete, self.nodes)), BOOT_SECONDS, "the cluster is complete")
        except BaseException:
            self.remove()
            raise

    def client(self) -> Any:
        return redis.RedisCluster(host="127.0.0.1", port=self.nodes[0].port, socket_timeout=10)

    def slot(self, key: str) -> int:
        return int(self.nodes[0].client().execute_command("CLUSTER KEYSLOT", key))

    def owner(self, slot: int) -> RedisServer:
        """The node that serves ``slot``."""
        for first, last, (_, port, *_), *_ in self.nodes[0].client().execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody serves slot {slot}")

    def migrate(self, slot: int, target: RedisServer, *, while_open: Callable[[], None] = lambda: None) -> None:
        """Move ``slot`` with its keys to ``target``. ``while_open`` is called when half of the keys have moved."""
        source = self.owner(slot)
        ours, theirs = source.client(), target.client()
        theirs.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self._id(source))
        ours.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self._id(target))
        keys = ours.execute_command("CLUSTER GETKEYSINSLOT", slot, 10_000)
        for key in keys[: len(keys) // 2]:
            ours.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        while_open()
        while keys := ours.execute_command("CLUSTER GETKEYSINSLOT", slot, 10_000):
            for key in keys:
                ours.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        for node in (target, *self.nodes):
            node.client().execute_command("CLUSTER SETSLOT", slot, "NODE", self._id(target))

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()

    def _id(self, node: RedisServer) -> str:
        return bytes(node.client().execute_command("CLUSTER MYID")).decode()

    def _complete(self, node: RedisServer) -> bool:
        info = node.client().execute_command("CLUSTER INFO")
        text = info if isinstance(info, dict) else dict(line.split(":") for line in bytes(info).decode().split())
        return text["cluster_state"] == "ok" and text["cluster_known_nodes"] == str(len(self.nodes))


class SentinelGroup:
    """A primary, its replica and a Sentinel that makes the replica the primary once the primary is gone."""

    SERVICE = "metrics"

    def __init__(self, options: Sequence[str] = ()) -> None:
        started: list[RedisServer] = []
        try:
            self.primary = RedisServer(options)
            started.append(self.primary)
            self.replica = RedisServer([*options, "--replicaof", "127.0.0.1", str(self.primary.port)])
            started.append(self.replica)
            wait_until(
                lambda: self.replica.client().info("replication")["master_link_status"] == "up",
                BOOT_SECONDS,
                "the replica follows",
            )
            self.sentinel = RedisServer(
                sentinel=(
                    f"sentinel monitor {self.SERVICE} 127.0.0.1 {self.primary.port} 1\n"
                    f"sentinel down-after-milliseconds {self.SERVICE} 1000\n"
                    f"sentinel failover-timeout {self.SERVICE} 5000\n"
                )
            )
            started.append(self.sentinel)
            wait_until(lambda: self._sentinel_info()["num-slaves"] == 1, BOOT_SECONDS, "the Sentinel knows the replica")
        except BaseException:
            for server in started:
                server.remove()
            raise

    def fail_over(self) -> None:
        """Kill the primary; return once the replica is the primary and the Sentinel says so."""
        self.primary.stop()
        wait_until(lambda: self._sentinel_info()["port"] == self.replica.port, 60.0, "the Sentinel fails over")
        wait_until(lambda: self.replica.client().info("replication")["role"] == "master", 30.0, "a new primary")
        time.sleep(0.1)

    def remove(self) -> None:
        for server in (self.sentinel, self.replica, self.primary):
            server.remove()

    def _sentinel_info(self) -> Any:
        return self.sentinel.client().sentinel_master(self.SERVICE)
