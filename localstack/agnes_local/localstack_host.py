"""LocalStack on loopback in host mode, without Docker: functions run as processes through our executor plug-in."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agnes_local import install
from agnes_local.process import ServerProcess, answers, clean_environment, free_port, running

SERVICES = (
    *("apigateway", "cloudformation", "cloudwatch", "events", "iam", "kms", "lambda", "logs"),
    *("s3", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "sts"),
)
READY_SECONDS = 120.0
DUMMY_ACCOUNT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclasses.dataclass(frozen=True)
class LocalStackServer:
    endpoint: str
    """Such as http://127.0.0.1:4566."""
    process: ServerProcess | None
    """None when somebody else's server is used."""

    def variables(self) -> dict[str, str]:
        """What a test run finds in its environment."""
        functions = {"LOCALSTACK_FUNCTION_LOGS": str(self.function_logs)} if self.function_logs else {}
        return {"LOCALSTACK_ENDPOINT": self.endpoint, **functions, **DUMMY_ACCOUNT}

    @property
    def function_logs(self) -> Path | None:
        """Where each function's log is, as NAME.log; None where the server does not say."""
        if self.process:
            return self.process.folder / "lambda" / "logs"
        told = os.environ.get("LOCALSTACK_FUNCTION_LOGS")
        return Path(told) if told else None

    def function_log(self, name: str) -> str:
        """All that this function printed, with Lambda's START, END and REPORT lines."""
        if not self.function_logs:
            return "(the function's log is with the LocalStack that LOCALSTACK_ENDPOINT names)"
        path = self.function_logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else "(it printed nothing yet)"

    def wait_ready(self) -> None:
        if self.process:
            self.process.wait_ready(lambda: answers(f"{self.endpoint}/_localstack/health"), READY_SECONDS)


@contextlib.contextmanager
def starting_localstack(
    *, services: Sequence[str] = SERVICES, idle_seconds: float = 60, python: Path | None = None, anew: bool = False
) -> Iterator[LocalStackServer]:
    """LocalStack begun but not waited for; call `wait_ready`. The server of LOCALSTACK_ENDPOINT where that is set, unless `anew`.

    Nothing is kept: each start is empty. A runtime without work ends after `idle_seconds`. `python` is the
    interpreter of the functions (AGNES_LAMBDA_PYTHON, else a bare one, so that layers must hold what they import).
    """
    if (endpoint := os.environ.get("LOCALSTACK_ENDPOINT")) and not anew:
        yield LocalStackServer(endpoint.rstrip("/"), None)
        return
    interpreter, plugin, runtime = install.localstack_python(), install.executor(), install.lambda_runtime()
    functions_python = python or os.environ.get("AGNES_LAMBDA_PYTHON") or install.lambda_python()
    port = free_port()
    with running(
        "localstack",
        lambda _: [str(interpreter), "-m", "localstack.runtime.main"],
        lambda folder: (
            clean_environment(folder)
            | {
                "PYTHONPATH": str(plugin),
                "XDG_CACHE_HOME": str(folder / "cache"),  # its index of plug-ins goes stale elsewhere
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "LOCALSTACK_HOST": f"127.0.0.1:{port}",
                "LOCALSTACK_VOLUME_DIR": str(folder / "volume"),
                "SERVICES": ",".join(services),
                "PERSISTENCE": "0",
                "DEBUG": os.environ.get("AGNES_LOCALSTACK_DEBUG", "0"),
                "DISABLE_EVENTS": "1",
                "SKIP_SSL_CERT_DOWNLOAD": "1",
                "DNS_ADDRESS": "0",
                "SQS_ENDPOINT_STRATEGY": "path",  # queue URLs without a host name that would have to be resolved
                "LAMBDA_RUNTIME_EXECUTOR": "agnes",
                "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "60",
                "LAMBDA_KEEPALIVE_MS": str(int(idle_seconds * 1000)),
                "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "1",
                "LAMBDA_RETRY_BASE_DELAY": "1",  # a failed asynchronous event is tried again after seconds, not minutes
                "AGNES_LAMBDA_FOLDER": str(folder / "lambda"),
                "AGNES_LAMBDA_PYTHON": str(functions_python),
                "AGNES_LAMBDA_RUNTIME_DIR": str(runtime),
            }
        ),
    ) as process:
        yield LocalStackServer(f"http://127.0.0.1:{port}", process)


@contextlib.contextmanager
def localstack(
    *, services: Sequence[str] = SERVICES, idle_seconds: float = 60, python: Path | None = None, anew: bool = False
) -> Iterator[LocalStackServer]:
    with starting_localstack(services=services, idle_seconds=idle_seconds, python=python, anew=anew) as server:
        server.wait_ready()
        yield server
