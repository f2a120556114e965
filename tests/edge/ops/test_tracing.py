"""What one request leaves for whoever watches: spans that a collector of OpenTelemetry takes, and a line of the log on Lambda."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from agnes import settings
from agnes.kernel.tracing import NoTracer
from agnes.outside.metered import unmetered
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.open_telemetry import OpenTelemetryTracer
from agnes.outside.traced import TracedStore
from agnes.settings import SettingsError
from agnes.wiring import Wiring
from tests.builders.house import House
from tests.builders.otlp_collector import Collector
from tests.builders.people import Person, seed_admin

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LAMBDA = {"AGNES_JOBS": "lambda"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def tracer(collector: Collector) -> Iterator[OpenTelemetryTracer]:
    tracer = OpenTelemetryTracer("1.2.3", exporter=OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces"))
    yield tracer
    tracer.close()


@pytest.fixture
def traced(tmp_path: Path, tracer: OpenTelemetryTracer, collector: Collector) -> Iterator[House]:
    """On Lambda, where spans are sent before the answer is."""
    collector.spans.clear()
    store = TracedStore(MemoryStore(), tracer)
    with House(tmp_path, store=store, tracer=tracer, environ=LAMBDA) as house:
        yield house
        house.state.close()


def test_a_request_is_a_span_of_the_trace_that_it_came_with(traced: House, collector: Collector) -> None:
    admin = seed_admin(traced)
    collector.spans.clear()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "from-a-proxy"}
    assert traced.get("/api/marketplace/items?q=secret", token=admin.token, headers=headers).status == 200
    [span] = [span for span in collector.spans if span.kind == 2]
    assert (span.name, span.trace_id, span.parent_id) == ("GET /api/marketplace/items", TRACE, PARENT)
    assert span.attributes == {
        "faas.name": "browse-get_items",
        "faas.trigger": "http",
        "http.request.method": "GET",
        "http.route": "/api/marketplace/items",
        "http.response.status_code": 200,
        "url.path": "/api/marketplace/items",
        "agnes.api_request_id": "test",
        "agnes.request_id": "from-a-proxy",
    }
    assert (span.resource["service.name"], span.resource["service.version"]) == ("agnes", "1.2.3")
    asked = [child for child in collector.spans if child.parent_id == span.span_id]
    assert asked
    assert len(asked) == len(collector.spans) - 1, "what its threads ask for belongs to it"
    assert {child.trace_id for child in asked} == {TRACE}
    assert any(child.attributes["agnes.store.key"].startswith("state/people/") for child in asked)


def test_a_failed_request_is_a_failed_span(tmp_path: Path, tracer: OpenTelemetryTracer, collector: Collector) -> None:
    class Gone(MemoryStore):
        is_gone = False

        def read(self, key: str) -> Any:
            if self.is_gone:
                raise RuntimeError("a fault of the program")
            return super().read(key)

        def read_if_changed(self, key: str, version: Any) -> Any:
            if self.is_gone:
                raise RuntimeError("a fault of the program")
            return super().read_if_changed(key, version)

    store = Gone()
    with House(tmp_path, store=TracedStore(store, tracer), tracer=tracer, environ=LAMBDA) as house:
        admin = seed_admin(house)
        house.clock.sleep(60)
        collector.spans.clear()
        store.is_gone = True
        assert house.get("/api/marketplace/items", token=admin.token).status >= 500
        store.is_gone = False
        house.state.close()
    [span] = [span for span in collector.spans if span.kind == 2]
    assert span.is_error
    assert span.attributes["http.response.status_code"] >= 500
    assert any(child.is_error for child in collector.spans if child.parent_id == span.span_id)


def test_a_collector_that_is_away_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracer = OpenTelemetryTracer("1", exporter=OTLPSpanExporter(endpoint="http://127.0.0.1:9/v1/traces", timeout=0.2))
    with caplog.at_level(logging.CRITICAL, "opentelemetry"), House(tmp_path, tracer=tracer, environ=LAMBDA) as house:
        assert house.get("/api/health/live").status == 200
        tracer.close()
        house.state.close()


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing is set"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, id="disabled"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, id="none"),
    ],
)
def test_no_trace_is_made_unless_a_collector_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    wiring = Wiring(settings.load({"AGNES_DATA_DIR": str(tmp_path), **environ}))
    assert isinstance(wiring.tracer, NoTracer)
    assert isinstance(unmetered(wiring.store), FolderStore)
    assert not isinstance(wiring.store.inner, TracedStore)


def test_a_collector_that_is_named_gets_the_stores_requests(tmp_path: Path) -> None:
    environ = {"AGNES_DATA_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    wiring = Wiring(settings.load(environ))
    assert isinstance(wiring.store.inner, TracedStore)
    assert isinstance(unmetered(wiring.store), FolderStore)
    assert isinstance(wiring.tracer, OpenTelemetryTracer)
    wiring.tracer.close()


def test_a_protocol_that_is_not_there_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL"):
        settings.load({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    """Records of the lines that Lambda's runtime would write."""
    found: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    log, handler = logging.getLogger("agnes.edge.request_line"), Kept()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield found
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture
def on_lambda(tmp_path: Path) -> Iterator[tuple[House, Person]]:
    with House(tmp_path, environ=LAMBDA) as house:
        yield house, seed_admin(house)
        house.state.close()


def test_a_request_is_one_line_with_both_ids(on_lambda: tuple[House, Person], lines: list[logging.LogRecord]) -> None:
    house, admin = on_lambda
    answer = house.get("/api/me?token=hidden", token=admin.token, headers={"X-Request-Id": "from-a-proxy"})
    assert answer.status == 200
    [line] = lines
    assert line.getMessage() == "GET /api/me"
    assert (line.status, line.request_id, line.api_request_id, line.ip) == (200, "from-a-proxy", "test", "192.0.2.7")
    assert line.bytes == len(answer.body)
    assert line.ms > 0
    assert "hidden" not in json.dumps(vars(line), default=str)
    assert not hasattr(line, "trace_id")


def test_a_refused_request_has_a_line_with_the_one_id_that_it_has(
    on_lambda: tuple[House, Person], lines: list[logging.LogRecord]
) -> None:
    house, _ = on_lambda
    assert house.get("/api/me").status == 401
    assert [line.status for line in lines] == [401]
    assert {line.request_id for line in lines} == {"test"}, "API Gateway's, where the client sends none"
    assert not any(hasattr(line, "api_request_id") for line in lines)


def test_a_run_is_one_line(on_lambda: tuple[House, Person], lines: list[logging.LogRecord]) -> None:
    from functions.ops.cron_prune_state.app import app

    assert app.pure_lambda_functions[0].func({}, None)["ok"] is True
    assert [(line.getMessage(), line.ok) for line in lines] == [("schedule ops-cron_prune_state", True)]


def test_the_level_decides_whether_there_are_lines(
    on_lambda: tuple[House, Person], lines: list[logging.LogRecord]
) -> None:
    house, admin = on_lambda
    logging.getLogger("agnes.edge.request_line").setLevel(logging.WARNING)
    assert house.get("/api/me", token=admin.token).status == 200
    assert lines == []


def test_on_one_machine_the_gateway_writes_the_line(
    house: House, admin: Person, lines: list[logging.LogRecord]
) -> None:
    assert house.get("/api/me", token=admin.token).status == 200
    assert lines == []
