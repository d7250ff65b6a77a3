"""The metrics endpoint of a process, put together from its settings: a master has one, and so has ``serve``."""

from __future__ import annotations

from collections.abc import Callable

from ..settings import Settings
from .endpoint import MetricsEndpoint, Render
from .fork_gate import ForkGate
from .listener import ListenerError, adopt_listener, open_listener
from .loop import MetricsServer
from .passwords import Passwords
from .policy import matches_bcrypt
from .security import Security


class MetricsService:
    """Serves what ``render`` makes where and how ``settings`` say, from `open` to `close`.

    ``is_ready`` answers ``/-/ready``. Both are called in the server's thread, inside ``gate.working()``, one call at a
    time; what they raise becomes a 500 and goes to ``on_failure(component, error)``. ``inherited`` is a listening
    descriptor to go on with, or -1. Raises SettingsError for settings that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        render: Render,
        *,
        is_ready: Callable[[], bool],
        gate: ForkGate,
        on_failure: Callable[[str, Exception], None],
        inherited: int = -1,
    ) -> None:
        self._settings = settings
        self._render = render
        self._is_ready = is_ready
        # What is known of passwords outlives a reload.
        self._passwords = Passwords(matches_bcrypt)
        self._gate = gate
        self._on_failure = on_failure
        self._endpoint = self._make_endpoint(settings)
        self._inherited = inherited
        self._server: MetricsServer | None = None

    @property
    def is_open(self) -> bool:
        return self._server is not None

    @property
    def url(self) -> str:
        """Where the metrics are, for people."""
        address, port = self._settings.bind_address, self._settings.metrics_port
        host = f"[{address}]" if ":" in address.strip("[]") and not address.startswith("[") else address
        return f"http{'s' if self._endpoint.security.is_tls else ''}://{host}:{port}/metrics"

    def open(self) -> None:
        """Start serving, in a thread. Raises ListenerError."""
        address, port = self._settings.bind_address, self._settings.metrics_port
        inherited, self._inherited = self._inherited, -1
        listener = adopt_listener(inherited, address, port) if inherited >= 0 else None
        if listener is None:
            listener = open_listener(address, port)
        self._server = MetricsServer(
            listener,
            lambda request: self._endpoint(request),
            gate=self._gate,
            on_failure=self._on_failure,
            tls=lambda: self._endpoint.security.context(),
            admit=lambda client: self._endpoint.security.admit(client),
        )
        self._server.start()

    def follow(self, settings: Settings) -> None:
        """Serve as the new ``settings`` say, from files that are read again. Raises SettingsError or ListenerError, and
        then all stays as it was."""
        endpoint = self._make_endpoint(settings)
        before = self._settings, self._endpoint
        former, moves = self._server, _place(settings) != _place(self._settings)
        self._settings, self._endpoint = settings, endpoint
        if former is not None and moves:
            try:
                self.open()
            except ListenerError:
                self._settings, self._endpoint = before
                raise
            former.stop()
        elif former is not None:
            former.part()

    def fileno(self) -> int:
        """The descriptor of the listening socket, -1 if there is none."""
        return -1 if self._server is None else self._server.fileno()

    def close(self) -> None:
        """Stop serving, until the next `open`. Safe to call again."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._passwords.close()

    def abandon(self) -> None:
        """In a forked child: let go of the descriptors and keys, which are the parent's."""
        self._endpoint.security.abandon()
        if self._server is not None:
            self._server.abandon()
            self._server = None

    def _make_endpoint(self, settings: Settings) -> MetricsEndpoint:
        security = Security(settings, self._passwords, self._on_failure)
        return MetricsEndpoint(
            self._render,
            self._is_ready,
            security,
            health_auth=settings.health_auth,
            status=settings.status_page,
        )


def _place(settings: Settings) -> tuple[str, int]:
    return settings.bind_address, settings.metrics_port
