"""`agnes` in processes that are forks of one which has imported it: starting Python and importing is most of what a command takes.

Each command still has a process of its own, with its environment, folder, input and status. What matters before that (how
Python is started, `agnes statusline`) is tried without this.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

SERVE = """
import importlib, json, os, pkgutil, runpy, socket, sys
import agnes_cli, agnes_cli.main, agnes_cli.start
for found in pkgutil.walk_packages(agnes_cli.__path__, "agnes_cli."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
asked = socket.socket(fileno=int(sys.argv[1]))
for line in asked.makefile("rb"):
    wanted = json.loads(line)
    child = os.fork()
    if not child:
        break
    _, status = os.waitpid(child, 0)
    asked.sendall(b"%d\\n" % os.waitstatus_to_exitcode(status))
else:
    sys.exit()
asked.close()
os.chdir(wanted["cwd"])
os.environ.clear()
os.environ.update(wanted["env"])
for fd, (path, flags) in enumerate(zip(wanted["files"], (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY))):
    opened = os.open(path, flags)
    os.dup2(opened, fd)
    os.close(opened)
sys.argv[:] = ["agnes_cli", *wanted["arguments"]]
runpy.run_module("agnes_cli", run_name="__main__", alter_sys=True)
"""


class CommandServer:
    """One for each process of tests. While it runs a command for another thread, commands are started as usual."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen([sys.executable, "-c", SERVE, str(number)], pass_fds=[number])
        self._answers = self._socket.makefile("rb")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._socket.close()

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agnes_cli", *arguments]
        if arguments[:1] == ["statusline"] or not self._lock.acquire(blocking=False):
            return subprocess.run(
                command, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
            )
        try:
            with TemporaryDirectory() as folder:
                files = [Path(folder, name) for name in ("in", "out", "err")]
                for file, text in zip(files, (stdin, "", ""), strict=True):
                    file.write_text(text)
                wanted = {
                    "arguments": list(arguments),
                    "cwd": os.fspath(cwd),
                    "env": dict(env),
                    "files": list(map(os.fspath, files)),
                }
                self._socket.settimeout(timeout)
                self._socket.sendall(json.dumps(wanted).encode() + b"\n")
                status = int(self._answers.readline())
                out, err = (file.read_bytes().decode().replace("\r\n", "\n") for file in files[1:])
                return subprocess.CompletedProcess(command, status, out, err)
        finally:
            self._lock.release()


@cache
def command_server() -> CommandServer:
    made = CommandServer()
    atexit.register(made.close)
    return made
