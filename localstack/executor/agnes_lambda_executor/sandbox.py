"""One process of one function: started, given one invocation after another, killed when it runs away.

After a timeout or a crash the sandbox is spent, as on Lambda; the caller opens another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from agnes_lambda_executor.runtime_api import Event, Invocation, RuntimeApi


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    handler: str
    memory_mb: int
    timeout_seconds: int
    task: Path
    """The unzipped code (Lambda's /var/task): the working folder."""
    opt: Path | None
    """The layers laid over one another (Lambda's /opt)."""
    runtime: Path
    """The folder that holds awslambdaric and boto3 (Lambda's /var/runtime)."""
    python: str
    """The interpreter."""
    python_version: str
    """Such as "3.11"."""
    environment: Mapping[str, str]
    version: str = "$LATEST"


@dataclasses.dataclass(frozen=True)
class Outcome:
    payload: bytes
    is_error: bool
    logs: str


class InitFailed(Exception):
    """The function's module could not be loaded. `payload` is the error as Lambda reports it (JSON)."""

    def __init__(self, payload: bytes, logs: str) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload
        self.logs = logs


class Sandbox:
    def __init__(self, function: Function, folder: Path) -> None:
        """Starts the process; `folder` is where its private /tmp is made. Call `wait_ready` before `invoke`."""
        self._function = function
        self._tmp = Path(tempfile.mkdtemp(dir=folder, prefix="tmp-"))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`; read by position, so no thread pumps it)
        self._log_read = 0
        self._api = RuntimeApi()
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [function.python, "-m", "awslambdaric", function.handler],
            cwd=function.task,
            env=_environment(function, self._tmp, self._api.address),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            process_group=0,  # killed with all that it started
        )
        threading.Thread(target=self._watch, name=f"sandbox-{self._process.pid}", daemon=True).start()
        self.spent = False

    def wait_ready(self, within_seconds: float) -> str:
        """Waits until the function's module is loaded and returns what it printed; raises InitFailed."""
        try:
            event = self._api.events.get(timeout=within_seconds)
        except queue.Empty:
            event = Event("init_error", body=_error("Sandbox.Timedout", f"no answer in {within_seconds:g} s"))
        if event.kind == "ready":
            return self._new_logs()
        payload = event.body or _error("Runtime.ExitError", f"Runtime exited {_how(event.status)} during init")
        self.close()
        raise InitFailed(payload, self._new_logs())

    def invoke(self, request_id: str, payload: bytes, *, arn: str = "", trace_id: str = "") -> Outcome:
        timeout = self._function.timeout_seconds
        start = time.monotonic()
        self._api.give(Invocation(request_id, payload, arn, trace_id, int((time.time() + timeout) * 1000)))
        event = self._result(request_id, start + timeout)
        seconds = time.monotonic() - start
        if event is None:
            self.close()
            event = Event(
                "error",
                request_id,
                _error(
                    "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
                ),
            )
        elif event.kind == "exit":
            self.close()
            event = Event(
                "error",
                request_id,
                _error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited {_how(event.status)}"),
            )
        return Outcome(event.body, event.kind == "error", self._report(request_id, seconds, self._new_logs()))

    @property
    def alive(self) -> bool:
        return not self.spent and self._process.poll() is None

    def close(self) -> None:
        """Kills the process and all that it started; safe to call twice and from any thread."""
        if self.spent:
            return
        self.spent = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._api.close()
        self._process.wait()
        shutil.rmtree(self._tmp, ignore_errors=True)

    def _result(self, request_id: str, deadline: float) -> Event | None:
        """The event that ends this invocation; None when its time is over."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._api.events.get(timeout=left)
            except queue.Empty:
                break
            if event.kind == "exit" or (event.kind in ("response", "error") and event.request_id == request_id):
                return event
            # Otherwise "ready": the runtime asked for the next invocation before we looked.
        return None

    def _watch(self) -> None:
        self._api.events.put(Event("exit", status=self._process.wait()))

    def _new_logs(self) -> str:
        """What the function printed since the last call."""
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), size - self._log_read, self._log_read)
        self._log_read = size
        return text.decode(errors="replace")

    def _report(self, request_id: str, seconds: float, printed: str) -> str:
        if printed and not printed.endswith("\n"):
            printed += "\n"
        return (
            f"START RequestId: {request_id} Version: {self._function.version}\n{printed}"
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms"
            f"\tMemory Size: {self._function.memory_mb} MB\tMax Memory Used: {self._peak_mb()} MB\n"
        )

    def _peak_mb(self) -> int | str:
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return "unknown"  # the process is gone, or this is no Linux
        return next(
            (int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), "unknown"
        )


def _environment(function: Function, tmp: Path, api: str) -> dict[str, str]:
    """Only what Lambda gives: nothing of this machine's environment reaches a function."""
    opt = function.opt
    path = [
        *(
            [str(opt / "python/lib" / f"python{function.python_version}" / "site-packages"), str(opt / "python")]
            if opt
            else []
        ),
        *filter(None, [function.environment.get("PYTHONPATH")]),
        str(function.runtime),
    ]
    return {
        "LANG": "C.UTF-8",
        "HOME": str(tmp),
        **function.environment,
        "PATH": ":".join([*([str(opt / "bin")] if opt else []), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LD_LIBRARY_PATH": ":".join(
            [*([str(opt / "lib")] if opt else []), str(function.task), str(function.task / "lib")]
        ),
        "PYTHONPATH": ":".join(path),
        "TMPDIR": str(tmp),
        "LAMBDA_TASK_ROOT": str(function.task),
        "LAMBDA_RUNTIME_DIR": str(function.runtime),
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{function.python_version}",
    }


def _how(status: int) -> str:
    return f"with error: signal: {signal.Signals(-status).name}" if status < 0 else f"with error: exit status {status}"


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
