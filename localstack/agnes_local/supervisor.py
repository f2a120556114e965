"""`agnes-local run`: prepare, then the gateway and the scheduler as processes, until a signal ends all.

    supervisor ── gateway (gunicorn) ── workers
               └─ scheduler

The supervisor binds the address itself, so `PORT=0` and a taken port are known before anything starts. A
scheduler that ends is started again; when the gateway ends, everything does. If the supervisor is killed, the
kernel tells the others (process_life).
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType

from agnes.settings import ALLOCATOR, PLUGINS_OFF, Settings
from agnes_local import tls

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
RESTART_SECONDS = 5.0


class CannotStart(Exception):
    """Why, and what to do."""


class _Stop(Exception):
    """A signal asked us to end."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a graceful end. Raises CannotStart."""
    scheme = "http" if tls.certificate_of(settings) is None else "https"  # refused before anything is started
    listener = listen(settings.agnes_host, settings.port)
    port = listener.getsockname()[1]
    url = settings.server_url or f"{scheme}://{_shown(settings.agnes_host)}:{port}"
    # The children read the same settings; only the port is known better now.
    environment = {**ALLOCATOR, **PLUGINS_OFF, **os.environ, "PORT": str(port), "SERVER_URL": url}
    processes: list[subprocess.Popen[bytes]] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stop)
    try:
        # Alone: it makes what all others then find, such as the secret that signs.
        preparing = _start(["agnes_local", "prepare"], environment)
        processes.append(preparing)
        if preparing.wait() != 0:
            raise CannotStart("the start stops here; see above")
        processes.remove(preparing)
        fd = listener.fileno()
        gateway = _start(["agnes_local.gateway", str(fd)], environment, pass_fds=[fd])
        processes.append(gateway)
        scheduler = _start(["agnes_local.scheduler"], environment)
        processes.append(scheduler)
        _wait_ready(gateway, listener.getsockname()[:2], scheme)
        print(f"Agnes is at {url}", flush=True)
        _watch(gateway, processes, environment)
    except _Stop:
        return _end(processes)
    except BaseException:
        _end(processes)
        raise
    return 0


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. Raises CannotStart."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"port {port} of {host} is taken by another program, perhaps by another Agnes. Choose another one, such as "
                f"PORT={port + 1 if port < 65535 else 8000}, or PORT=0 to have a free one picked: PORT=0 make run"
            ) from exc
        raise CannotStart(f"cannot listen on {host}:{port}: {exc.strerror or exc}") from exc
    return listener


def _start(
    module: list[str], environment: dict[str, str], pass_fds: list[int] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=pass_fds or [],
        # Ctrl-C in a terminal goes to the whole group; the order of stopping is ours.
        process_group=0,
    )


def _wait_ready(gateway: subprocess.Popen[bytes], address: tuple[str, int], scheme: str) -> None:
    host, port = address
    url = f"{scheme}://{f'[{host}]' if ':' in host else _shown(host)}:{port}/api/health/live"
    # It is asked by its address, for which no certificate is made; and nothing secret is said.
    anybody = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), anybody)
    deadline = time.monotonic() + READY_SECONDS
    while True:
        if gateway.poll() is not None:
            raise CannotStart("the gateway did not start; see above")
        try:
            with opener.open(url, timeout=READY_SECONDS):
                return
        except (urllib.error.URLError, OSError) as exc:
            if time.monotonic() > deadline:
                raise CannotStart(f"the gateway did not answer within {READY_SECONDS:g} s: {exc}") from exc
            time.sleep(0.05)


def _watch(
    gateway: subprocess.Popen[bytes], processes: list[subprocess.Popen[bytes]], environment: dict[str, str]
) -> None:
    """Until the gateway ends, which it does not by itself. Raises CannotStart then."""
    while gateway.poll() is None:
        time.sleep(0.5)
        scheduler = processes[-1]
        if scheduler.poll() is not None:
            print(f"the scheduler ended with {scheduler.returncode}; starting it again", file=sys.stderr, flush=True)
            time.sleep(RESTART_SECONDS)
            processes[-1] = _start(["agnes_local.scheduler"], environment)
    raise CannotStart(f"the gateway ended with {gateway.returncode}")


def _raise_stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def _end(processes: list[subprocess.Popen[bytes]]) -> int:
    """SIGTERM to all, at once; SIGKILL to those that take too long. What they were asked for meanwhile ends."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for process in processes:
        process.terminate()
    deadline, killed = time.monotonic() + STOP_SECONDS, False
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed = True
    return int(killed)


def _shown(host: str) -> str:
    """A host that a client can use: a server that listens everywhere is reached here too."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
