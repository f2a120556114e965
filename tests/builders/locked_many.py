"""A program: what `agnes.sql.child` is, but for many statements in one process, and on wish without its judge.

    python -I locked_many.py      standard input: {path, functions, database, views, files, tables, sqls, judged}

A process a statement would take a test of two hundred a minute.
"""

import errno
import json
import os
import socket
import sys
from pathlib import Path


def main() -> None:
    request = json.load(sys.stdin)
    sys.path[:0] = request["path"]
    import resource

    import duckdb

    from agnes.sql import child

    functions = frozenset(Path(request["functions"]).read_text().split())
    db = child.opened(duckdb)
    child.warm_up(db, duckdb)
    child.provide(db, duckdb, request)
    child.lock(resource, files=len(request["files"]))
    outcomes = []
    for sql in request["sqls"]:
        try:
            if request["judged"]:
                child.judge(db, duckdb, sql, functions, frozenset(request["tables"]))
            outcome, said = "ran", child.execute(db, duckdb, sql)["rows"]
        except child.Rejected as rejected:
            outcome, said = "rejected", str(rejected)
        except child.Failed as failed:
            outcome, said = "failed", str(failed)
        except AttributeError:
            outcome, said = "ran", None  # without a judge a statement may have no result at all
        outcomes.append([outcome, said])
    print(json.dumps({"outcomes": outcomes, "kernel": [refusal(attempt) for attempt in ATTEMPTS]}), flush=True)


def run(request, folder):
    """The program's answer, in a process of its own that begins in `folder`."""
    import subprocess

    from tests.builders.patience import PATIENCE_SECONDS

    done = subprocess.run(
        [sys.executable, "-I", "-B", __file__],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=folder,
        env={},
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return json.loads(done.stdout)


def refusal(attempt) -> str:
    """What the kernel says to something that DuckDB would have to be tricked into first."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


ATTEMPTS = (
    lambda: os.open("/etc/passwd", os.O_RDONLY),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    lambda: list(Path("/").iterdir()),
)


if __name__ == "__main__":
    main()
