"""A server never outlives the one who started it, and says why when it does not start."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from agnes_local.process import ServerFailed, clean_environment, running
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

LOCALSTACK = pathlib.Path(__file__).parents[3] / "localstack"

# A server that ignores SIGTERM, with a child in a process group of its own, as our function runtimes are.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], process_group=0)
open("pids.new", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.new", "pids")
time.sleep(300)
"""


def started(script):
    return running("sample", lambda _: [sys.executable, "-c", script], clean_environment)


def pids_of(folder):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (path := folder / "pids").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(pid) for pid in path.read_text().split()]


def alive(pid):
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_end_of_the_block_ends_the_server_its_children_and_its_folder():
    with started(STUBBORN) as server:
        pids = pids_of(server.folder)
        assert all(map(alive, pids))
    assert not any(map(alive, pids))
    assert not server.folder.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_started_it(number, tmp_path):
    owner = f"""
import sys, time
sys.path.insert(0, {str(LOCALSTACK)!r})
from agnes_local.process import clean_environment, running
with running("sample", lambda _: [sys.executable, "-c", {STUBBORN!r}], clean_environment) as server:
    print(server.folder, flush=True)
    time.sleep(300)
"""
    with subprocess.Popen(
        [sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as parent:
        pids = pids_of(pathlib.Path(parent.stdout.readline().strip()))
        parent.send_signal(number)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, f"{pids} are still there"
        time.sleep(0.05)


def test_a_server_that_ends_says_what_it_said():
    with (
        started("import sys; print('no room'); sys.exit(4)") as server,
        pytest.raises(ServerFailed, match=r"sample ended with status 4(.|\n)*no room"),
    ):
        server.wait_ready(lambda: False, within_seconds=PATIENCE_SECONDS)


def test_a_server_that_is_never_ready_is_given_up():
    with (
        started("import time; print('thinking', flush=True); time.sleep(300)") as server,
        pytest.raises(ServerFailed, match=r"was not ready after 0\.5 s(.|\n)*thinking"),
    ):
        server.wait_ready(lambda: False, within_seconds=0.5)


def test_a_server_has_none_of_our_credentials(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    with started("import os, time; open('pids', 'w').write('0'); print(dict(os.environ), flush=True)") as server:
        pids_of(server.folder)
        server._guard.wait()
        assert "ours" not in server.log_tail()
        assert "PATH" in server.log_tail()
