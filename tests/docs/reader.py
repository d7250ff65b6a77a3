"""A reader who follows one page from top to bottom: one directory, one shell, servers that go on until replaced."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import yaml

from scripts.provision import TOOLS
from tests.docs.checked_only import ROOT, check, tomllib
from tests.docs.snippets import Block, Command, blocks, commands, missing_line

LIMIT_SECONDS = 60.0
PATIENCE_SECONDS = 10.0
ROOTS = ("core", "contrib_flask", "contrib_django", "contrib_pyramid", "contrib_starlette")

# The reader's own application, until a page gives another app.py.
APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello\\n"]
"""

# The ports that pages write, each replaced by a free one, and the server that is ready when it listens there.
PORTS = {"gunicorn": 8000, "gunicorn-prometheus-exporter": 9091, "redis-server": 6379, "prometheus": 9090}
SERVER = re.compile(
    r"^(?:\w+=\S*\s+)*(?:python -m )?(gunicorn(?!-)|gunicorn-prometheus-exporter serve|redis-server|prometheus)\b"
)
# As an import would, not as a script: `if __name__ == "__main__"` is for the reader.
IMPORT = 'import runpy, sys; sys.path[0] = ""; runpy.run_path(sys.argv[1])'
RESTORE = '[ ! -f "$STATE" ] || . "$STATE"'
ONLY_SAYS = re.compile(r"--(?:version|help|check-config|print-config)\b")


@dataclass(slots=True)
class Server:
    """A server the reader started: its process (a group of its own) and what it has written so far."""

    program: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """End it as Ctrl-C would, and fail if it had ended by itself."""
        ended = self.process.poll()
        assert ended is None, f"{self.program} ended with {ended}:\n{self.log.read_text()}"
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"{self.program} did not stop:\n{self.log.read_text()}") from None
        assert code == 0, f"{self.program}, stopped, exited {code}:\n{self.log.read_text()}"


class Reader:
    """Runs the blocks of a page in an empty directory. Every failure names the line of the page."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "page"
        self._directory.mkdir()
        (self._directory / "app.py").write_text(APP)
        (self._directory / "monitoring").symlink_to(ROOT / "monitoring")
        self._state = directory / "shell"
        self._servers: dict[str, Server] = {}
        self._ports = {port: free_port() for port in PORTS.values()}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PROMETHEUS_", "REDIS_"))},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(TOOLS / "bin"), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in ROOTS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(directory),
            "no_proxy": "*",
            # What a page leaves to the default ports.
            "PROMETHEUS_METRICS_PORT": str(self._ports[9091]),
            "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{self._ports[8000]}",
        }
        self._kinds: dict[str, Callable[[Block], object]] = {
            "text": lambda block: None,
            # Run by tests/monitoring, which has a Prometheus with everything in it.
            "promql": lambda block: None,
            "python": self._python,
            "yaml": lambda block: self._data(block, lambda text: list(yaml.safe_load_all(text))),
            "toml": lambda block: self._data(block, tomllib.loads),
            "json": lambda block: self._data(block, json.loads),
            "ini": lambda block: self._data(block, configparser.ConfigParser(interpolation=None).read_string),
            "console": self._console,
            "bash": self._console,
        }

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = []
        for program in list(self._servers):
            try:
                self._servers.pop(program).stop()
            except AssertionError as failure:
                failures.append(str(failure))
        if error is None:
            assert not failures, "\n".join(failures)

    def follow(self, page: str) -> None:
        """Do what the page says. Raises AssertionError with the line of the block that fails."""
        for block in blocks(page):
            kinds = ", ".join(self._kinds)
            assert block.language in self._kinds, (
                f"line {block.line}: a block of {block.language or 'no language'}; known are {kinds}, and `text` is "
                "for what is only shown"
            )
            try:
                self._kinds[block.language](Block(block.language, self._with_free_ports(block.text), block.line))
            except Exception as failure:
                raise AssertionError(f"line {block.line}: {failure}{self._logs()}") from failure

    def _logs(self) -> str:
        return "".join(f"\n\n{program} wrote:\n{server.log.read_text()}" for program, server in self._servers.items())

    def _with_free_ports(self, text: str) -> str:
        return re.sub(r"\b(?:" + "|".join(map(str, self._ports)) + r")\b", lambda m: str(self._ports[int(m[0])]), text)

    def _write(self, block: Block, name: str) -> Path:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text + "\n")
        return path

    def _python(self, block: Block) -> None:
        path = self._write(block, block.file_name or f"line_{block.line}.py")
        self._shell(shlex.join([sys.executable, "-c", IMPORT, path.name]))

    def _data(self, block: Block, parse: Callable[[str], object]) -> None:
        parse(block.text)
        if block.file_name:
            self._write(block, block.file_name)

    def _console(self, block: Block) -> None:
        for command in commands(block):
            server = SERVER.match(command.text)
            if server and not ONLY_SAYS.search(command.text):
                self._serve(server[1].split()[0], command)
            elif not check(command.text):
                self._once(command)

    def _once(self, command: Command) -> None:
        """Run a command. A curl is repeated for a while: the numbers of the last request may be just on their way."""
        until = time.monotonic() + (PATIENCE_SECONDS if command.text.startswith("curl") else 0)
        while True:
            output = self._shell(command.text)
            missing = missing_line(output, command.expected)
            if missing is None:
                return
            assert time.monotonic() < until, f"`{command.text}` did not print\n{missing}\nbut\n{output}"
            time.sleep(0.2)

    def _shell(self, command: str) -> str:
        """Run a command in the reader's shell, whose exported variables last from one to the next."""
        script = f'{RESTORE}\n{command}\ncode=$?\nexport -p > "$STATE"\nexit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._directory,
            env={**self._environment, "STATE": str(self._state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"`{command}` exited {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _serve(self, program: str, command: Command) -> None:
        if program in self._servers:
            self._servers.pop(program).stop()
        log = self._state.with_name(f"{program}.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"{RESTORE}\n{_exec(command.text)}"],
                cwd=self._directory,
                env={**self._environment, "STATE": str(self._state)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers[program] = Server(program, process, log)
        until = time.monotonic() + PATIENCE_SECONDS * 2
        while not (listens(self._ports[PORTS[program]]) and missing_line(log.read_text(), command.expected) is None):
            if process.poll() is not None:
                raise AssertionError(f"`{command.text}` ended:\n{self._servers.pop(program).log.read_text()}")
            assert time.monotonic() < until, f"`{command.text}` does not serve or print as shown:\n{log.read_text()}"
            time.sleep(0.1)


def _exec(command: str) -> str:
    """Let the server take the place of the shell, so that it is the process that gets the signal."""
    variables = re.match(r"(?:\w+=\S*\s+)*", command)
    end = variables.end() if variables else 0
    return f"{command[:end]}exec {command[end:].rstrip().removesuffix('&')}"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
