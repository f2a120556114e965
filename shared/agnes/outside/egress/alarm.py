"""An end for work over the network, however slowly the other side drips."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

from agnes.outside.egress.errors import TimeUp


class Alarm:
    """Shuts the sockets that it watches when the time is up: a read that drips cannot outlast it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.rang = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join(1)

    def watch(self, sock: socket.socket) -> None:
        """Raises TimeUp."""
        with self._lock:
            self._sockets.append(sock)
        self.check()

    def check(self) -> None:
        """Raises TimeUp."""
        if self.rang:
            raise TimeUp(f"the server took longer than {self.seconds:g} seconds", hint="Try again later.")

    def _ring(self) -> None:
        self.rang = True
        with self._lock:
            for sock in self._sockets:
                with suppress(OSError):  # closed already
                    sock.shutdown(socket.SHUT_RDWR)
