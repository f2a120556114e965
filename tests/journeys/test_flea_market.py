"""The life of something shared, with the real Claude Code client: upload, review, approval, install, use, figures, a bad update that
is held, a version that is rolled back, and the kill switch. The reviewer is scripted; everything else is the product.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes.checks import Verdict
from agnes.kernel.clock import SystemClock
from tests.builders.archives import SKILL
from tests.builders.claude_client import records
from tests.builders.desk import Desk
from tests.builders.market import FleaMarket, QueueHere, ScriptedReviewer, said
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text
from tests.builders.served_installation import ServedInstallation, opened_installation

pytestmark = pytest.mark.client
HOOKS = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo done"}]}]}}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[ServedInstallation]:
    queue, reviewer = QueueHere(), ScriptedReviewer()
    with opened_installation(tmp_path, clock=SystemClock(), queue=queue, flea_reviewer=reviewer) as installation:
        installation.market = FleaMarket(installation.house, queue, reviewer)  # type: ignore[attr-defined]
        yield installation


def plugin(folder: Path, body: str, *, hooks: bool = False) -> Path:
    files = {
        ".claude-plugin/plugin.json": json.dumps({
            "name": "notes", "version": "1.0.0",
            "description": "Writes release notes. Use it when a version is about to be announced.",
        }),
        "skills/notes/SKILL.md": SKILL + body,
        **({"hooks/hooks.json": json.dumps(HOOKS)} if hooks else {}),
    }  # fmt: skip
    for path, text_ in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text_)
    return folder


def test_from_an_upload_to_the_kill_switch(installation: ServedInstallation, tmp_path: Path) -> None:
    market: FleaMarket = installation.market  # type: ignore[attr-defined]
    desk = Desk.of(installation.demo, tmp_path)
    admin = installation.target.admin()
    # Upload, review, approve.
    shared = desk.laptop.agnes("store", "upload", str(plugin(tmp_path / "src", "\nFirst.\n")))
    served = shared.stdout.split()[0]
    assert served.startswith("notes-by-mira")
    market.reviewer.verdict = said(Verdict.WAITING)
    assert market.review() == []
    [waiting] = admin.get("/api/admin/store/submissions?status=held").json()["items"]
    admin.post(f"/api/admin/store/submissions/{waiting['id']}/approve", json={}, expect=200)
    entity = waiting["entity_id"]
    # Install.
    desk.who.post(f"/api/store/entities/{entity}/install")
    desk.add("finops")
    desk.refresh("--bootstrap")
    found = desk.installed()[f"{served}@agnes"]
    assert (found["enabled"], found.get("errors")) == (True, None)
    first = Path(found["installPath"]) / "skills/notes/SKILL.md"
    assert first.read_text().endswith("First.\n")
    # Use, counted.
    with ScriptedMessagesApi([Script("main", [Reply([text("Done.")])] * 3)]) as api:
        client = desk.laptop.claude(api.url)
        session = client.session(f"/{served}:notes")
    transcript = client.transcript(session.session_id)
    assert any("First." in json.dumps(record) for record in records(transcript)), "the client read the skill"
    sent = {"file": (f"{session.session_id}.jsonl", transcript.read_bytes())}
    desk.who.post("/api/upload/sessions", files=sent, expect=200)
    admin.post("/api/admin/run-session-processor?processor=usage", expect=200)
    detail = desk.who.get(f"/api/marketplace/flea/{entity}/detail").json()
    assert detail["telemetry"]["invocations_30d"] == 1
    # A bad update is held; what is live stays.
    desk.laptop.agnes("store", "update", "notes", str(plugin(tmp_path / "src", "\nSecond.\n", hooks=True)))
    market.reviewer.verdict = said(Verdict.SAFE)
    assert market.review() == []
    [held] = admin.get("/api/admin/store/submissions?status=held").json()["items"]
    assert held["gained"] == ["hooks"]
    desk.refresh()
    assert (
        Path(desk.installed()[f"{served}@agnes"]["installPath"], "skills/notes/SKILL.md")
        .read_text()
        .endswith("First.\n")
    )
    # It is overridden, found bad, and rolled back to the first.
    admin.post(f"/api/admin/store/submissions/{held['id']}/approve", json={}, expect=200)
    desk.refresh()
    assert Path(desk.installed()[f"{served}@agnes"]["installPath"], "hooks/hooks.json").exists()
    desk.laptop.agnes("store", "update", "notes", "--restore", "1")
    assert market.review() == []
    desk.refresh()
    rolled_back = Path(desk.installed()[f"{served}@agnes"]["installPath"])
    assert (rolled_back / "skills/notes/SKILL.md").read_text().endswith("First.\n")
    # The kill switch.
    live = desk.who.get(f"/api/store/entities/{entity}").json()["submission_id"]
    admin.post(f"/api/admin/store/submissions/{live}/quarantine", json={"reason": "A drill."}, expect=200)
    assert [one["name"] for one in desk.who.get("/marketplace/info").json()["plugins"]] == ["finops"]
    desk.refresh()
    assert f"{served}@agnes" not in desk.installed()
    assert "taken out of the Flea market" in desk.laptop.agnes("store", "notices").stdout
