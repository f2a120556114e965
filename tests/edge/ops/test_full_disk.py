"""A full disk: what is read is read, and a change is refused with a clear error and loses nothing.

A real one: a small file system in memory, which the tests' user must be allowed to mount.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from agnes.kernel.ports import Secret
from agnes.outside.object_store.folder import FolderStore
from agnes.telemetry.lake import exports
from tests.builders.house import House
from tests.builders.people import seed_admin
from tests.builders.telemetry_house import run_usage, upload, upload_form
from tests.builders.transcripts import Transcript

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")]

SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
LATER = "77777777-0002-4f00-9a00-00000000bbbb"


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def work(session: str) -> bytes:
    t = Transcript(session)
    t.prompt("Forecast")
    t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    return t.body()


def test_reading_goes_on_and_changes_are_refused(disk):
    store = FolderStore(disk / "store", secret=Secret("s"), base_url="http://agnes.test")
    with House(disk / "house", store=store) as house:
        ada = seed_admin(house)
        assert upload_form(house, ada, SESSION, work(SESSION)).status in (200, 201)
        assert house.post("/api/admin/run-session-processor?processor=usage", token=ada.token).status == 200
        read = (
            *("/api/me/sessions", "/api/marketplace/items?tab=curated", "/marketplace/info", "/api/me", "/marketplace"),
            *("/api/health/ready", "/api/me/stats/tokens", "/me/sessions", "/api/admin/groups", "/api/health/live"),
        )
        assert {path: house.get(path, token=ada.token).status for path in read} == dict.fromkeys(read, 200)
        fill = disk / "full"
        with fill.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"0" * 4096)
        house.clock.sleep(61)
        assert {path: house.get(path, token=ada.token).status for path in read} == dict.fromkeys(read, 200)
        health = house.get("/api/health").json()
        assert (health["status"], health["failing"]) == ("degraded", ["store: disk_full"])
        group = {"name": "Analysts", "description": ""}
        for answer in (
            house.post("/api/admin/groups", token=ada.token, json_body=group),
            upload_form(house, ada, LATER, work(LATER)),
        ):
            assert (answer.status, answer.json()["code"]) == (503, "disk_full"), answer.text
        fill.unlink()
        house.clock.sleep(61)
        assert house.get("/api/health").json()["status"] == "ok"
        names = [each["name"] for each in house.get("/api/admin/groups", token=ada.token).json()]
        assert "Analysts" not in names
        assert house.post("/api/admin/groups", token=ada.token, json_body=group).status == 201
        assert upload_form(house, ada, LATER, work(LATER)).status in (200, 201)
        house.post("/api/admin/run-session-processor?processor=usage", token=ada.token)
        assert {each["session_id"] for each in house.get("/api/me/sessions", token=ada.token).json()["sessions"]} == {
            SESSION,
            LATER,
        }


EXPORTS = "/api/admin/usage/exports"


class Sent(list):
    """The port of queues, as a list."""

    def send(self, messages) -> None:
        self.extend(messages)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_an_export_that_does_not_fit_says_why_and_leaves_nothing(disk, kind):
    """The reads beside it go on, and once there is room the next export is made."""
    store = FolderStore(disk / "store", secret=Secret("s"), base_url="http://agnes.test")
    with House(disk / "house", store=store, queue=Sent()) as house:
        ada = seed_admin(house)
        t = Transcript(SESSION)
        for number in range(6_000):
            t.use("Bash", command=f"echo {number} " + "x" * 200)
        upload(house, ada, SESSION, t.body())
        run_usage(house, ada)
        made = house.post(EXPORTS, token=ada.token, json_body={"format": kind}).json()["id"]
        fill = disk / "full"
        with fill.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"0" * 4096)
        os.truncate(fill, fill.stat().st_size - 16_384)  # what a status takes, and no more
        exports.run_queued(house.state, store, house.wiring.queue, made, clock=house.clock)
        found = house.get(f"{EXPORTS}/{made}", token=ada.token).json()
        assert (found["status"], found["files"]) == ("failed", [])
        assert "disk" in found["error"].lower() or "space" in found["error"].lower()
        for path in ("/api/me/sessions", "/marketplace/info", "/api/health/ready", "/api/me/stats/tokens", EXPORTS):
            assert house.get(path, token=ada.token).status == 200, path
        assert [entry.key for entry in store.list("exports/")] == [f"exports/{made}/status.json"]
        assert not list((disk / "store" / "tmp").iterdir())
        fill.unlink()
        again = house.post(EXPORTS, token=ada.token, json_body={"format": kind}).json()["id"]
        exports.run_queued(house.state, store, house.wiring.queue, again, clock=house.clock)
        found = house.get(f"{EXPORTS}/{again}", token=ada.token).json()
        assert (found["status"], found["rows"]) == ("done", found["events"])
        assert found["rows"] >= 6_000
