"""The start of a function in a new process, and its first request, over MinIO through a client that waits as long as S3 (GET 20 ms, PUT 45).

*Import* is of the function's module. *Init* is what Lambda's initialisation does beside it (`agnes.edge.starting`). *First* is the handler
of the first request; *first, no init* is the same in a process that did not get ready, and *second* that of another request,
after the staleness window. Calls and bytes are of init and of the first request together.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import zstandard

from agnes.accounts import first_start
from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import Secret
from agnes.outside.object_store.s3 import S3Store
from agnes_local import demo
from tests.benchmarks.reads import LS_REFS
from tests.builders.house import ROOT, House
from tests.costs.scenarios import ADMIN, GIT, PASSWORD, transcripts

RUNS = 5
AIM_FIRST_MS = 28.0
FUNCTIONS = {
    "page": ("browse-page_marketplace", "GET", "/marketplace"),
    "items": ("browse-get_items", "GET", "/api/marketplace/items"),
    "zip": ("feed-get_zip", "GET", "/marketplace.zip"),
    "git": ("feed-post_upload_pack", "POST", "/marketplace.git/git-upload-pack"),
    "push": ("telemetry-post_complete", "POST", "/api/upload/sessions/complete"),
    "admin": ("admin-page_overview", "GET", "/admin"),
}


def run(emit: Callable[..., None]) -> None:
    from agnes_local.servers import minio

    with tempfile.TemporaryDirectory() as folder, minio() as server:
        where = {
            "bucket": f"agnes-bench-{secrets.token_hex(4)}",
            "endpoint_url": server.endpoint,
            "region": "us-east-1",
            "access_key_id": server.user,
            "password": server.password,
        }
        store = S3Store(**_arguments(where))
        store._client.create_bucket(Bucket=where["bucket"])
        environ = {"AGNES_STORE": "s3", "AGNES_BUCKET": where["bucket"], "AGNES_COUNT_CALLS": "false"}
        with House(Path(folder), store=store, clock=SystemClock(), environ=environ) as house:
            first_start.prepare(house.state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=datetime.now(UTC))
            demo.fill(Path(folder) / "demo")
            token = house.login(ADMIN, PASSWORD)
            assert house.get("/marketplace.zip", token=token).status == 302  # so that the view and its zip are known
            uploads = islice(_uploaded(house, token), 2 * RUNS)
            environ = house.environ
            for name, (function, method, path) in FUNCTIONS.items():
                found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
                for _ in range(RUNS):
                    for is_ready, runs in found.items():
                        told = {"function": function, "method": method, "path": path, "is_ready": is_ready}
                        told |= {"store": where, "headers": {"Authorization": f"Bearer {token}"}, "body": None}
                        if path.startswith(("/marketplace.git", "/admin")):
                            told["headers"] = told["headers"] | GIT
                        if name in ("page", "admin"):
                            told["headers"] = {"Cookie": f"access_token={token}"}
                        if name == "git":
                            told["body"] = LS_REFS.decode()
                        if name == "push":
                            told["headers"] |= {"Content-Type": "application/json"}
                            told["body"] = json.dumps({"upload_id": next(uploads)})
                        runs.append(_child(told, environ))
                _report(emit, name, found)
            house.state.close()


def _arguments(where: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in where.items() if name != "password"} | {
        "secret_access_key": Secret(where["password"])
    }


def _uploaded(house: House, token: str) -> Iterator[str]:
    """Transcripts that were PUT and wait to be completed: the ids of their uploads."""
    for session_id, body in transcripts():
        packed = zstandard.compress(body)
        wish = {"session_id": session_id, "size_bytes": len(packed), "sha256": sha256(packed).hexdigest()}
        allowed = house.post("/api/upload/sessions/presign", token=token, json_body=wish).json()
        request = urllib.request.Request(allowed["url"], packed, allowed["headers"], method="PUT")
        with urllib.request.urlopen(request):
            yield allowed["upload_id"]


def _report(emit: Callable[..., None], name: str, found: dict[bool, list[dict[str, float]]]) -> None:
    def typical(measure: str, *, is_ready: bool = True) -> float:
        return median(run[measure] for run in found[is_ready])

    for measure, unit, aim in (
        ("import", "ms", None),
        ("init", "ms", None),
        ("first", "ms", AIM_FIRST_MS),
        ("second", "ms", None),
        ("calls", "requests", None),
        ("bytes", "B", None),
    ):
        emit(name=f"cold.{name}_{measure}", value=typical(measure), unit=unit, better="lower", aim=aim)
    emit(name=f"cold.{name}_first_no_init", value=typical("first", is_ready=False), unit="ms", better="lower")


def _child(told: dict[str, Any], environ: dict[str, str]) -> dict[str, float]:
    """One new process. The files of Python are in the page cache already, which they are not on Lambda."""
    with tempfile.TemporaryDirectory() as cache:
        told = told | {"environ": environ | {"AGNES_CACHE_DIR": cache}}
        command = [sys.executable, "-m", "tests.benchmarks._cold_start"]
        done = subprocess.run(command, cwd=ROOT, input=json.dumps(told), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{told['function']}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
