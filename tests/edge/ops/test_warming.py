"""A call that keeps a function warm opens what its answers come from, and is nothing that a client can send."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.metering import measured
from agnes.outside.metered import MeteredStore
from agnes.outside.object_store.memory import MemoryStore
from agnes_local import composed
from infra import waited_for
from infra.compose import Composition, compose
from tests.builders.house import House
from tests.builders.people import seed_admin

S3 = {"AGNES_STORE": "s3", "AGNES_BUCKET": "bucket"}


@pytest.fixture(scope="module")
def composition() -> Composition:
    return compose()


def call(function: str, event: Any) -> Any:
    return importlib.import_module(f"functions.{function.replace('-', '.')}.app").app(event, None)


def waited(composition: Composition) -> dict[str, list[str]]:
    """Names of state files by function, as the schedule sends them."""
    return {
        function.name: json.loads(waited_for.keep_warm(function, entry)["Properties"]["Input"])["keep_warm"]
        for function in composition.functions
        if (entry := composition.entries[function.domain, function.folder]).waited_for
    }


def test_the_next_request_finds_everything_open(tmp_path: Path):
    store = MemoryStore()
    with House(tmp_path / "before", store=store) as house:
        admin = seed_admin(house)
        house.state.migrate()
        house.state.close()
    with House(tmp_path / "new", store=MeteredStore(store), environ=S3) as house:
        with measured() as warming:
            assert call("browse-get_items", {"keep_warm": waited(compose())["browse-get_items"]}) == {"warm": True}
        assert warming.bytes_read > 0
        with measured() as asking:
            assert house.get("/api/marketplace/items", token=admin.token).status == 200
        assert asking.gets == 1, "the sign-in, which this process has not met yet"
        with measured() as again:
            assert house.get("/api/marketplace/items", token=admin.token).status == 200
        assert (again.gets, again.bytes_read) == (0, 0)
        house.state.close()


def test_every_function_that_is_waited_for_can_open_its_files(tmp_path: Path, composition: Composition):
    with House(tmp_path) as house:
        seed_admin(house)
        house.state.migrate()
        found = waited(composition)
        assert len(found) >= 10
        for function, files in found.items():
            assert "people" in files
            assert call(function, {"keep_warm": files}) == {"warm": True}, function
        house.state.close()


def test_a_state_that_cannot_be_opened_is_no_failure(tmp_path: Path):
    with House(tmp_path):
        assert call("browse-get_items", {"keep_warm": ["nothing"]}) == {"warm": False}


def test_a_client_cannot_send_it(tmp_path: Path):
    with House(tmp_path) as house:
        answer = house.call("GET", "/api/marketplace/items?keep_warm=people", json_body={"keep_warm": ["people"]})
        assert answer.status == 401
        event = {"keep_warm": ["people"], "requestContext": {"resourcePath": "/", "httpMethod": "GET"}}
        assert "warm" not in call("browse-get_items", {**event, "multiValueQueryStringParameters": None, "headers": {},
                                                       "pathParameters": None, "stageVariables": None, "body": None})  # fmt: skip
        house.state.close()


def test_the_schedules_are_of_aws_alone(composition: Composition):
    functions = {job.function for job in composed.jobs()}
    assert not functions & set(waited(composition))
    assert all(job["function"] in functions for job in composition.jobs)
    parameter = composition.templates["root"]["Parameters"]["KeepWarm"]
    assert parameter["Default"] == "DISABLED"
    event = composition.templates["browse"]["Resources"]["GetItems"]["Properties"]["Events"]["KeepWarm"]
    assert event["Properties"]["State"] == {"Ref": "KeepWarm"}


def test_disks_hold_the_cache_copies_and_scratch_files(composition: Composition):
    for (domain, folder), entry in composition.entries.items():
        logical = "".join(part.capitalize() for part in folder.split("_"))
        size = composition.templates[domain]["Resources"][logical]["Properties"]["EphemeralStorage"]["Size"]
        least = waited_for.CACHE_MB + waited_for.COPY_MB * len(entry.writes)
        assert max(512, least + entry.scratch_mb) <= size <= 10_240, f"{domain}/{folder}"
        if "telemetry/" in entry.gets or "git" in entry.layers:
            assert size >= least + 1024, f"{domain}/{folder} fetches files to the disk"


def test_snapshots_are_of_versions_that_the_api_calls():
    for kind in ("rest", "http"):
        found = compose(kind, snap_start=True)
        names = set(waited(found))
        document = json.dumps(found.templates["root"])
        for function in found.functions:
            template = found.templates[function.domain]["Resources"]
            logical = "".join(part.capitalize() for part in function.folder.split("_"))
            properties = template[logical]["Properties"]
            is_waited = function.name in names
            assert ("SnapStart" in properties) is is_waited, function.name
            if not function.routes:
                continue
            assert (f"-{function.name}:live/invocations" in document) is is_waited, function.name
            assert (f"-{function.name}/invocations" in document) is not is_waited, function.name
            called = template[f"{logical}Permission"]["Properties"]["FunctionName"]
            assert called == ({"Fn::Sub": f"${{Stack}}-{function.name}:live"} if is_waited else {"Ref": logical})
            if is_waited:
                assert properties["EphemeralStorage"]["Size"] == 512, "AWS makes no snapshot with a larger disk"
                cache = int(properties["Environment"]["Variables"]["AGNES_CACHE_BYTES"])
                assert cache + 1e6 * waited_for.COPY_MB < 512e6
        assert found.api == compose().api, "the local gateway goes by names"
