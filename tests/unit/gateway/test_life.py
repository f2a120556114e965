"""Start, stop, restart, and being killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from agnes.kernel.ports import ANYTHING, Secret
from agnes.outside.object_store.folder import FolderStore
from tests.builders.embedded import EmbeddedServer, _processes
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agnes_local", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "AGNES_DATA_DIR": str(folder / "data"), **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture
def start(tmp_path: Path):
    """A server as a plain child of this test, so that its exit status can be seen."""
    started = []

    def begin(**environ: str) -> tuple[subprocess.Popen, str]:
        log = (tmp_path / "log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "agnes_local", "run"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PORT": "0",
                "AGNES_DATA_DIR": str(tmp_path / "data"),
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        started.append(process)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            said = (tmp_path / "log").read_text()
            if found := re.findall(r"^Agnes is at (\S+)$", said, re.MULTILINE):
                return process, found[-1]
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_processes_begin_with_few_arenas_of_memory(start) -> None:
    """Decision 0109: glibc reads it before a process's first line."""
    process, _ = start()
    children = [pid for pid, (parent, _) in _processes().items() if parent == process.pid]
    assert children
    for pid in children:
        assert b"MALLOC_ARENA_MAX=2" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_a_setup_link_is_printed_once_and_not_kept(start, tmp_path: Path) -> None:
    _, url = start()
    said = (tmp_path / "log").read_text()
    link = re.search(rf"^ +({url}/setup\?secret=(\S+))$", said, re.MULTILINE)
    assert link, said
    with httpx.Client(trust_env=False) as client:
        assert client.get(link[1]).status_code == 200
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data" / "store").rglob("*") if path.is_file())
    assert link[2].encode() not in kept


def test_sigterm_lets_requests_end_and_answers_0(start, tmp_path: Path) -> None:
    process, url = start()
    parts = httpx.URL(url)
    # An upload that is still being sent when the signal comes.
    with socket.create_connection((parts.host, parts.port), timeout=PATIENCE_SECONDS) as slow:
        slow.sendall(
            b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
            b"Content-Length: 40\r\n\r\n{"
        )
        assert slow.recv(65536).startswith(b"HTTP/1.1 100"), "it is being read"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        slow.sendall(b'"email":"a@b.c","password":"wrongwron"}'[:39])
        assert slow.recv(65536).startswith(b"HTTP/1.1 4")
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert not [pid for pid, (_, args) in _processes().items() if f"{tmp_path}" in args]


def test_a_killed_supervisor_takes_the_others_with_it(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, {})
    server.start()
    family = server._descendants(server._guard.pid)
    supervisor = next(pid for pid in family if "agnes_local run" in _processes()[pid][1])
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while remaining := [pid for pid in family[1:] if "agnes_local" in _processes().get(pid, (0, ""))[1]]:
        assert time.monotonic() < deadline, remaining
        time.sleep(0.1)
    server._guard.stdin.close()
    server._guard.wait()


def test_it_starts_again_on_what_it_left(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, {"SEED_ADMIN_EMAIL": "a@example.com", "SEED_ADMIN_PASSWORD": "correct horse"})
    for _ in range(2):
        server.start()
        login = httpx.post(
            f"{server.base_url}/auth/token",
            json={"email": "a@example.com", "password": "correct horse"},
            trust_env=False,
        )
        assert login.status_code == 200
        server.kill()


def test_data_of_a_newer_release_is_told_at_the_start(tmp_path: Path) -> None:
    seed = {"SEED_ADMIN_EMAIL": "a@example.com", "SEED_ADMIN_PASSWORD": "correct horse"}
    assert run(tmp_path, "prepare", **seed).returncode == 0
    store = FolderStore(tmp_path / "data" / "store", secret=Secret("s"), base_url="http://agnes.invalid")
    head = json.loads(store.read("state/people/head.json").body)
    head["schema"]["people"] += 1
    head["schema"]["people.writers"] = head["schema"][
        "people"
    ]  # it took something away, so this release must not write
    store.write("state/people/head.json", json.dumps(head).encode(), expect=ANYTHING)
    done = run(tmp_path, "prepare", **seed)
    assert "A newer Agnes has used this data: people can be read and not changed" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        done = run(tmp_path, "run", PORT=port)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    done = run(tmp_path, "run", PORT="eighty", AGNES_WORKERS="0", SCHEDULER_API_TOKEN="short")
    assert done.returncode == 1
    for name in ("PORT", "AGNES_WORKERS", "SCHEDULER_API_TOKEN"):
        assert name in done.stderr
    assert "short" not in done.stderr.replace("shorter", "")
    assert "Traceback" not in done.stderr


def workers_of(supervisor: int, count: int) -> list[int]:
    """The gateway's workers; the first one answers before the last one is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        processes = _processes()
        gateways = [p for p, (parent, args) in processes.items() if parent == supervisor and "gateway" in args]
        workers = [pid for pid, (parent, _) in processes.items() if parent in gateways]
        if len(workers) == count:
            return workers
        assert time.monotonic() < deadline, workers
        time.sleep(0.1)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_requests_during_many_restarts_of_workers_are_answered(start) -> None:
    """Two workers; each is killed once while a client asks on and on."""
    process, url = start(AGNES_WORKERS="2")
    stop, statuses = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                answer = httpx.get(f"{url}/api/version", trust_env=False, timeout=PATIENCE_SECONDS)
                statuses.append(answer.status_code)
            except httpx.TransportError:
                statuses.append(0)

    asking = threading.Thread(target=ask)
    asking.start()
    workers = workers_of(process.pid, 2)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        until(lambda gone=worker: gone not in workers_of(process.pid, 2))
        answered = statuses.count(200)
        until(lambda before=answered: statuses.count(200) > before + 5)
    stop.set()
    asking.join()
    assert statuses[-1] == 200
    assert statuses.count(0) <= len(workers), "only what a killed worker held may be lost"
