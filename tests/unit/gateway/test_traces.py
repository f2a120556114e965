"""`agnes-local run` with a collector of OpenTelemetry named by the standard variables: each process sends its spans."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.builders.embedded import embedded_server
from tests.builders.otlp_collector import Collector

pytestmark = pytest.mark.slow


def test_every_process_sends_its_spans(tmp_path: Path) -> None:
    with Collector() as collector:
        environ = {
            "AGNES_WORKERS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=of-the-collector",
            "OTEL_SERVICE_NAME": "agnes-of-finance",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with embedded_server(tmp_path, environ) as server:
            answer = httpx.get(f"{server.base_url}/api/health", trust_env=False)
            assert answer.status_code == 200
            server.run_job("telemetry.sweep")
            request, job = collector.wait_for("GET /api/health"), collector.wait_for("schedule telemetry-cron_sweep")
        assert request.attributes["agnes.request_id"] == answer.headers["X-Request-Id"]
        assert request.resource["service.name"] == job.resource["service.name"] == "agnes-of-finance"
        assert any(span.parent_id == request.span_id and span.name.startswith("store ") for span in collector.spans)
        assert {headers.get("api-key") for headers in collector.headers} == {"of-the-collector"}
