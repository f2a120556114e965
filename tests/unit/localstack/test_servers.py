"""`servers run` tells a command where the servers are, ends as it ends, and leaves nothing running."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from agnes_local.servers import minio
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.minio]
SHOW = "import os; print(os.environ['MINIO_ENDPOINT'], os.environ['MINIO_ROOT_USER'], len(os.environ['MINIO_ROOT_PASSWORD']))"


@pytest.fixture
def environment(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINIO_")}
    return kept | {"TMPDIR": str(tmp_path)}


def run(environment, script, **settings):
    command = [
        sys.executable,
        "-m",
        "agnes_local.servers",
        "run",
        "--only",
        "minio",
        "--",
        sys.executable,
        "-c",
        script,
    ]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings
    )


def servers_in(folder):
    """Processes whose command names this folder: the MinIO that keeps its data there, and its guard."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{folder}/agnes-minio".encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_the_command_reaches_minio_and_its_status_is_ours(environment, tmp_path):
    reach = (
        "import os, sys, urllib.request\n"
        "answer = urllib.request.urlopen(os.environ['MINIO_ENDPOINT'] + '/minio/health/ready')\n"
        "sys.exit(40 + (answer.status == 200))"
    )
    with run(environment, reach) as process:
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 41, errors
    assert servers_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_servers_end_when_we_are_ended(number, environment, tmp_path):
    with run(environment, "import time; print('up', flush=True); time.sleep(60)", start_new_session=True) as process:
        assert process.stdout.readline() == "up\n"
        assert servers_in(tmp_path)
        process.send_signal(number)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while servers_in(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if number == signal.SIGKILL:  # the command itself is not ours to guard
            os.killpg(process.pid, signal.SIGKILL)


def test_a_server_that_is_there_is_used(environment):
    with minio() as server:
        there = environment | server.variables()
        with run(there, SHOW) as process:
            printed, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert printed.split() == [server.endpoint, server.user, str(len(server.password))], errors
