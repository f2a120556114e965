"""The local gateway: requests a second over kept-alive connections, and what a request costs in it."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.builders.embedded import embedded_server

CLIENTS = 4
REQUESTS = 600
"""Of each client."""


def run(emit: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder), {}) as server:
        address = urlsplit(server.base_url)
        for path, name, aim in (
            ("/api/version", "version", 1000),
            ("/api/health", "health", 500),
            ("/login", "page", 500),
        ):
            _load(address.hostname, address.port, path, 50)
            seconds, latencies = _load(address.hostname, address.port, path, REQUESTS)
            emit(f"gateway.{name}.rate", len(latencies) / seconds, "requests/s", better="higher", aim=aim)
            emit(f"gateway.{name}.p50", latencies[len(latencies) // 2] * 1000, "ms", better="lower", aim=5.0)
            emit(f"gateway.{name}.p99", latencies[len(latencies) * 99 // 100] * 1000, "ms", better="lower", aim=25.0)


def _load(host: str, port: int, path: str, requests: int) -> tuple[float, list[float]]:
    """Seconds of the whole run, and every request's, sorted."""
    latencies: list[float] = []
    clients = [threading.Thread(target=_ask, args=(host, port, path, requests, latencies)) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return time.perf_counter() - started, sorted(latencies)


def _ask(host: str, port: int, path: str, requests: int, latencies: list[float]) -> None:
    """A client cheap enough not to be what is measured."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with socket.create_connection((host, port)) as connection, connection.makefile("rb") as answers:
        for _ in range(requests):
            started = time.perf_counter()
            connection.sendall(request)
            status = answers.readline()
            assert b" 200 " in status, status
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            answers.read(length)
            latencies.append(time.perf_counter() - started)
