"""Knowledge with the real Claude Code client: Mira corrects Claude in a session, an admin approves what the detector found, and Noor's
next session, on another laptop, has it before the model. The model that plays Claude and the one that reads sessions are scripted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes.claude_code import versions
from agnes.kernel.clock import SystemClock
from tests.builders.laptop import Laptop
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text
from tests.builders.served_installation import ServedInstallation, opened_installation
from tests.builders.target import Visitor
from tests.builders.verified import ScriptedModel

pytestmark = pytest.mark.client
QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
CORRECTION = "No, net revenue excludes refunds. Do it again."
FACT = "Net revenue is gross revenue less refunds and chargebacks."


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[ServedInstallation]:
    settings = {"KNOWLEDGE_QUIET_SECONDS": "0"}
    with opened_installation(
        tmp_path, environ=settings, clock=SystemClock(), language_model=ScriptedModel()
    ) as installation:
        yield installation


def laptop_of(installation: ServedInstallation, who: Visitor, folder: Path, version: str) -> Laptop:
    laptop = Laptop.new(installation.target, folder, claude_version=version, **QUIET)
    laptop.login(who.make_token()["token"])
    return laptop


@pytest.mark.parametrize("version", [versions.OLDEST, versions.NEWEST])
def test_a_correction_reaches_a_colleagues_next_session(
    installation: ServedInstallation, tmp_path: Path, version: str
) -> None:
    person, colleague = installation.demo.person("mira"), installation.demo.person("noor")
    mira = laptop_of(installation, person, tmp_path / "mira", version)
    noor = laptop_of(installation, colleague, tmp_path / "noor", version)
    admin = installation.target.admin()
    with ScriptedMessagesApi(
        [Script("main", [Reply([text("It is 12,110.")]), Reply([text("Then it is 11,480.")])])]
    ) as api:
        client = mira.claude(api.url)
        session = client.session("What is net revenue for May?")
        client.session(CORRECTION, resume=session.session_id)
    sent = {"file": (f"{session.session_id}.jsonl", client.transcript(session.session_id).read_bytes())}
    person.post("/api/upload/sessions", files=sent, expect=200)
    admin.post("/api/admin/run-session-processor?processor=usage", expect=200)
    report = run(installation, "knowledge.detect")
    assert (report["read"], report["facts"], report["refused"]) == (1, 1, 0), report
    [item] = json.loads(mira.agnes("knowledge", "search", "--mine", "--json").stdout)["items"]
    assert (item["label"], item["content"]) == ("Pending", FACT)
    assert json.loads(noor.agnes("knowledge", "pull", "--json").stdout)["approved"] == 0
    [line] = admin.get(f"/api/knowledge/{item['id']}").json()["evidence"]
    assert (line["kind"], line["quote"], line["session_id"]) == (
        "correction", "net revenue excludes refunds", session.session_id,
    )  # fmt: skip
    admin.post(f"/api/admin/knowledge/items/{item['id']}/approve", json={}, expect=200)
    assert json.loads(noor.agnes("knowledge", "pull", "--json").stdout)["written"] == ["km_approved.md"]
    with ScriptedMessagesApi([Script("main", [Reply([text("It excludes refunds.")])])]) as api:
        noor.claude(api.url).session("What is net revenue?")
        asked = next(request for request in api.requests if not request.is_side)
    assert FACT in json.dumps(asked.body, ensure_ascii=False), "the client put it before the model"
    # The session is redacted: what came from it goes everywhere.
    admin.delete(f"/api/admin/usage/sessions/{line['user_id']}/{session.session_id}")
    assert json.loads(noor.agnes("knowledge", "pull", "--json").stdout)["removed"] == ["km_approved.md"]
    assert json.loads(mira.agnes("knowledge", "search", "--mine", "--json").stdout)["items"] == []


def run(installation: ServedInstallation, job: str) -> dict[str, object]:
    answer = installation.target.admin().post(f"/api/admin/run/{job}", json={})
    assert answer.status_code in (200, 202), answer.text
    return json.loads(installation.house.store.read(f"jobs/{job}/last.json").body)["report"]
