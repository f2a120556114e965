"""The executor that LocalStack loads: `LAMBDA_RUNTIME_EXECUTOR=agnes`.

LocalStack keeps one executor object per execution environment and decides when to make, reuse and end
them (`LAMBDA_KEEPALIVE_MS`); this module turns each into a `Sandbox`. Settings, from LocalStack's environment:

    AGNES_LAMBDA_FOLDER       where archives, private /tmp folders and `logs/<function>.log` are kept
    AGNES_LAMBDA_PYTHON       the interpreter of the functions
    AGNES_LAMBDA_RUNTIME_DIR  a folder that holds awslambdaric and boto3
"""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from agnes_lambda_executor.packages import Packages
from agnes_lambda_executor.sandbox import Function, InitFailed, Sandbox
from localstack import config

LOG = logging.getLogger(__name__)
_ROOT = Path(os.environ.get("AGNES_LAMBDA_FOLDER") or Path(tempfile.gettempdir()) / "agnes-lambda")
_PYTHON = os.environ.get("AGNES_LAMBDA_PYTHON") or sys.executable
_PACKAGES = Packages(_ROOT / "packages")
_LOG_LOCK = threading.Lock()


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "agnes"

    def load(self, *_args: object, **_kwargs: object) -> type[ProcessExecutor]:
        return ProcessExecutor


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id=id, function_version=function_version)
        self._function: Function | None = None
        self._sandbox: Sandbox | None = None
        self._logs = ""

    def start(self, env_vars: dict[str, str]) -> None:
        self._function = _function(self.function_version, {name: str(value) for name, value in env_vars.items()})
        self._sandbox = self._open(self._function)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        request_id = payload["invoke-id"]
        if not self._sandbox or not self._sandbox.alive:
            # The last invocation ran out of time or crashed: Lambda starts the runtime again.
            self._sandbox = self._open(self._function)
        outcome = self._sandbox.invoke(
            request_id,
            payload["payload"].encode(),
            arn=payload["invoked-function-arn"],
            trace_id=payload["trace-id"],
        )
        self._keep(outcome.logs)
        if outcome.is_error:
            LOG.warning("Function %s failed:\n%s", self._function.name, outcome.logs)
        return InvocationResult(request_id, outcome.payload, is_error=outcome.is_error, logs=outcome.logs)

    def stop(self) -> None:
        if self._sandbox:
            self._sandbox.close()

    def get_logs(self) -> str:
        return self._logs

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return ""  # the address where Docker's runtimes report; ours have one of their own

    def _open(self, function: Function) -> Sandbox:
        _ROOT.mkdir(parents=True, exist_ok=True)
        sandbox = Sandbox(function, _ROOT)
        try:
            self._keep(sandbox.wait_ready(config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT))
        except InitFailed as failure:
            self._keep(failure.logs)
            LOG.warning("Function %s could not be loaded: %s\n%s", function.name, failure, failure.logs)
            raise StatusErrorException(str(failure), payload=failure.payload) from failure
        return sandbox

    def _keep(self, text: str) -> None:
        """Adds an invocation's lines to the function's log, in one piece."""
        if not text:
            return
        self._logs += text
        path = _ROOT / "logs" / f"{self._function.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _LOG_LOCK, path.open("a", encoding="utf-8") as log:
            log.write(text)

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        wanted = function_version.config.runtime
        if wanted != f"python{_python_version()}":
            raise LambdaRuntimeException(
                f"{function_version.id.function_name} wants {wanted}, and AGNES_LAMBDA_PYTHON is python{_python_version()}"
            )
        _task(function_version)
        _opt(function_version)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Archives are shared by content; they go with the folder when LocalStack ends."""


def _function(version: FunctionVersion, environment: dict[str, str]) -> Function:
    return Function(
        name=version.id.function_name,
        version=version.id.qualifier,
        handler=version.config.handler,
        memory_mb=version.config.memory_size,
        timeout_seconds=version.config.timeout,
        task=_task(version),
        opt=_opt(version),
        runtime=Path(os.environ["AGNES_LAMBDA_RUNTIME_DIR"]),
        python=_PYTHON,
        python_version=_python_version(),
        environment=environment,
    )


def _task(version: FunctionVersion) -> Path:
    return _unpack(version.config.code)


def _opt(version: FunctionVersion) -> Path | None:
    return _PACKAGES.overlay([_unpack(layer.code) for layer in version.config.layers])


def _unpack(code) -> Path:  # noqa: ANN001  (LocalStack's S3Code)
    return _PACKAGES.unpack(code.code_sha256, code._download_archive_to_file)


@functools.cache
def _python_version() -> str:
    show = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([_PYTHON, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
