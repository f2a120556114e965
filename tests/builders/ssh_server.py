"""OpenSSH's own server on loopback, with SFTP over a folder of its own, for the user who runs the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agnes_local.process import ServerProcess, clean_environment, free_port, running
from tests.builders.patience import PATIENCE_SECONDS

SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True)
class SshServer:
    port: int
    username: str
    host_key: str
    """`<type> <base64>`"""
    private_key: str
    """Of a person who may sign in."""
    process: ServerProcess


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Keys and configuration in `folder`; the server ends with the block. Fails where OpenSSH's server is not installed."""
    if not Path(SSHD).exists():
        raise AssertionError("OpenSSH's server is missing: apt-get install openssh-server")
    folder.mkdir(parents=True, exist_ok=True)
    host, person = _key(folder / "host"), _key(folder / "person")
    shutil.copyfile(person.with_suffix(".pub"), folder / "authorized")
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host}\nPidFile none\nAuthorizedKeysFile {folder / 'authorized'}\n"
        "StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\n"
        "KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\nLogLevel VERBOSE\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it wants one for giving up its rights
    command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running("sshd", lambda _: command, clean_environment) as process:
        process.wait_ready(lambda: _greets(port), PATIENCE_SECONDS)
        shown = " ".join(host.with_suffix(".pub").read_text().split()[:2])
        yield SshServer(port, pwd.getpwuid(os.geteuid()).pw_name, shown, person.read_text(), process)


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as sock:
            return sock.recv(4) == b"SSH-"
    except OSError:
        return False
