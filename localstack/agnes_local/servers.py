"""The servers that tests need, on one machine without Docker.

    python -m agnes_local.servers install minio|localstack|oidc|all
    python -m agnes_local.servers run [--only minio|localstack] -- COMMAND...

`run` starts them, tells COMMAND where they are (MINIO_ENDPOINT, MINIO_ROOT_USER, MINIO_ROOT_PASSWORD,
LOCALSTACK_ENDPOINT, LOCALSTACK_FUNCTION_LOGS, AWS_* that open nothing elsewhere), and ends with its status.
A server whose address is already in the environment is used as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from agnes_local.install import InstallFailed, cache_folder, install_localstack, install_minio, install_oidc
from agnes_local.localstack_host import LocalStackServer, localstack, starting_localstack
from agnes_local.minio import MinioServer, minio, starting_minio
from agnes_local.process import ServerFailed

__all__ = ["LocalStackServer", "MinioServer", "localstack", "main", "minio"]

INSTALLERS = {"minio": install_minio, "localstack": install_localstack, "oidc": install_oidc}
STARTERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "minio": starting_minio,
    "localstack": starting_localstack,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m agnes_local.servers", description="The servers that tests need.")
    actions = parser.add_subparsers(dest="action", required=True)
    installing = actions.add_parser("install", help=f"install into {cache_folder()}, or AGNES_CACHE_DIR")
    installing.add_argument("what", choices=[*INSTALLERS, "all"])
    running = actions.add_parser("run", help="start them, run a command, stop them")
    running.add_argument("--only", choices=list(STARTERS), action="append", help="only this server; may be repeated")
    running.add_argument("command", nargs="+", help="after --")
    options = parser.parse_args(arguments)
    try:
        if options.action == "install":
            return _install(list(INSTALLERS) if options.what == "all" else [options.what])
        return _run(options.only or list(STARTERS), options.command)
    except (InstallFailed, ServerFailed) as failure:
        print(failure, file=sys.stderr)
        return 1


def _install(names: list[str]) -> int:
    for name in names:
        start = time.monotonic()
        where = INSTALLERS[name]()
        print(f"{name}: {where} ({time.monotonic() - start:.1f} s)")
    return 0


def _run(names: list[str], command: list[str]) -> int:
    # SIGTERM unwinds like Ctrl-C; without this the servers would be left to their guards.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(STARTERS[name]()) for name in names]
        for server in servers:
            server.wait_ready()
        environment = dict(os.environ)
        for server in servers:
            environment |= server.variables()
        child = subprocess.Popen(command, env=environment)
        try:
            status = child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
