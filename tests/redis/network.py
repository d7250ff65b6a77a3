"""A Redis behind a network that can be cut: in a namespace of its own where this machine allows that.

Where it does not, the server is stopped by a signal, which looks the same from outside but for the network's errors.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess

from tests.redis.servers import RedisServer


class DistantRedis:
    """One redis-server, at ``host`` and ``port``. `cut` loses every packet to it and from it, until `mend`."""

    def __init__(self) -> None:
        # A network of four addresses that nobody has.
        network = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
        self._name = f"gpe{random.randrange(16**8):08x}"
        self._near, self._far = f"{network}.1", f"{network}.2"
        self.is_network = self._make_network()
        self.host = self._far if self.is_network else "127.0.0.1"
        options = ["--bind", self.host, "--protected-mode", "no"]
        prefix = ["ip", "netns", "exec", self._name] if self.is_network else []
        try:
            self.server = RedisServer(options, host=self.host, prefix=prefix)
        except BaseException:
            self._remove_network()
            raise
        self.port = self.server.port

    def cut(self) -> None:
        if self.is_network:
            _ip("-n", self._name, "link", "set", "far", "down")
        else:
            self.server.pause()

    def mend(self) -> None:
        if self.is_network:
            _ip("-n", self._name, "link", "set", "far", "up")
        else:
            self.server.resume()

    def remove(self) -> None:
        self.server.remove()
        self._remove_network()

    def _make_network(self) -> bool:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            return False
        near = self._name
        try:
            _ip("netns", "add", self._name)
            _ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", self._name)
            _ip("addr", "add", f"{self._near}/30", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", self._name, "addr", "add", f"{self._far}/30", "dev", "far")
            for device in ("lo", "far"):
                _ip("-n", self._name, "link", "set", device, "up")
        except subprocess.CalledProcessError:
            self._remove_network()
            return False
        return True

    def _remove_network(self) -> None:
        if os.geteuid() == 0 and shutil.which("ip") is not None:
            subprocess.run(["ip", "netns", "delete", self._name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
