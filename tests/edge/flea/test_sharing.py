"""Sharing through the API: previews, uploads, versions, reviews, and every refusal by its code."""

from __future__ import annotations

import hashlib

import pytest

from agnes.checks import Reason, Verdict
from agnes.checks.reviewing.model import SENTENCES
from tests.builders.archives import AGENT, PLUGIN, SKILL, packed
from tests.builders.market import FleaMarket, said
from tests.builders.people import Person, add_person, sign_in
from tests.builders.telemetry_house import put

HOOKS = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo done"}]}]}}'


def test_from_upload_to_the_feed(market: FleaMarket, bob: Person, eve: Person) -> None:
    answer = market.share(bob, type="skill", category="Productivity")
    assert answer.status == 201, answer.text
    made = answer.json()
    assert (made["name"], made["invocation_name"], made["visibility_status"]) == ("notes", "notes-by-bob", "pending")
    assert market.house.get(f"/api/store/entities/{made['id']}", token=eve.token).status == 404
    assert market.mine(bob, made["id"])["label"] == "Pending"
    assert market.review() == []
    [seen] = market.reviewer.seen
    assert seen.name == "notes-by-bob"
    assert seen.files["skills/notes-by-bob/SKILL.md"].startswith(b"---\nname: notes-by-bob\n")
    assert market.entity(eve, made["id"])["visibility_status"] == "approved"
    assert market.notices(bob) == ["notes was approved and is in the Flea market."]
    assert market.house.post(f"/api/store/entities/{made['id']}/install", token=eve.token).status == 200
    plugins = market.house.get("/marketplace/info", token=eve.token).json()["plugins"]
    assert [one["name"] for one in plugins] == ["notes-by-bob"]
    assert market.entity(eve, made["id"])["install_count"] == 1
    shown = market.house.get(f"/api/store/entities/{made['id']}/files", token=eve.token).json()["files"]
    assert [one["path"] for one in shown] == [".claude-plugin/plugin.json", "skills/notes-by-bob/SKILL.md"]


@pytest.mark.parametrize(
    ("filename", "body", "kind"),
    [
        pytest.param("notes.zip", packed({"SKILL.md": SKILL}), "skill", id="zip"),
        pytest.param("notes.skill", packed({"notes/SKILL.md": SKILL}), "skill", id="skill file, wrapped"),
        pytest.param("SKILL.md", SKILL.encode(), "skill", id="one file"),
        pytest.param("auditor.md", AGENT.encode(), "agent", id="an agent's file"),
        pytest.param("a.zip", packed({"x/y/auditor.md": AGENT, "x/README.md": "# Read me"}), "agent", id="deep agent"),
        pytest.param("kit.zip", packed(PLUGIN), "plugin", id="plugin"),
        pytest.param("kit.zip", packed({f"kit-1.2/{p}": b for p, b in PLUGIN.items()}), "plugin", id="wrapped plugin"),
    ],
)
def test_what_is_recognised_is_alike_in_preview_and_upload(
    market: FleaMarket, bob: Person, filename: str, body: bytes, kind: str
) -> None:
    stored = lambda: [e.key for at in ("flea/", "trees/", "assets/") for e in market.house.store.list(at)]  # noqa: E731
    before = stored()
    seen = market.preview(bob, body, filename=filename)
    assert seen.status == 200, seen.text
    assert stored() == before == []
    assert (seen.json()["type"], seen.json()["outcome"], seen.json()["problems"]) == (kind, "review", [])
    answer = market.share(bob, body, filename=filename)
    assert answer.status == 201, answer.text
    assert answer.json()["invocation_name"] == seen.json()["served_name"]
    assert {one["type"] for one in seen.json()["components"]} >= {kind} - {"plugin"}


@pytest.mark.parametrize(
    ("fields", "body", "status", "code"),
    [
        pytest.param({"type": "tool"}, None, 400, "invalid_type", id="type"),
        pytest.param({"category": "Fun"}, None, 400, "invalid_category", id="category"),
        pytest.param({"video_url": "javascript:alert(1)"}, None, 400, "invalid_video_url", id="video"),
        pytest.param({"audience": "groups"}, None, 400, "invalid_audience", id="audience"),
        pytest.param({}, b"", 400, "missing_file", id="empty"),
        pytest.param({}, b"no zip", 422, "zip_invalid", id="no zip"),
        pytest.param({"type": "skill"}, packed({"a.md": "x"}), 422, "zip_missing_skill_md", id="no skill"),
        pytest.param({"type": "agent"}, packed({"a.md": "x"}), 422, "zip_missing_agent_md_with_frontmatter", id="none"),
        pytest.param(
            {"type": "plugin"}, packed({"SKILL.md": SKILL}), 422, "zip_missing_claude_plugin_json", id="plugin"
        ),
        pytest.param({"type": "agent"}, packed({"SKILL.md": SKILL}), 422, "zip_looks_like_skill", id="a skill"),
        pytest.param({"type": "skill"}, packed(PLUGIN), 422, "zip_looks_like_plugin", id="a plugin"),
        pytest.param({}, packed({".claude-plugin/plugin.json": "{"}), 422, "plugin_json_invalid", id="no JSON"),
        pytest.param({}, packed({".claude-plugin/plugin.json": "[]"}), 422, "plugin_json_invalid", id="a list"),
        pytest.param({}, packed({"a/SKILL.md": SKILL, "b/SKILL.md": SKILL}), 422, "zip_ambiguous", id="two skills"),
        pytest.param({}, packed({"SKILL.md": "---\na: b\n  c: '\n---\n"}), 422, "front_matter_invalid", id="no YAML"),
        pytest.param({}, packed({"SKILL.md": "# No name"}), 400, "missing_name", id="no name"),
        pytest.param({"name": "Bad Name"}, None, 400, "invalid_name_format", id="name"),
        pytest.param({"colour": "red"}, None, 400, "unknown_field", id="unknown field"),
    ],
)
def test_refusals(
    market: FleaMarket, bob: Person, fields: dict[str, str], body: bytes | None, status: int, code: str
) -> None:
    answer = market.share(bob, body, **fields)
    assert (answer.status, answer.json()["code"]) == (status, code), answer.text
    assert market.house.get("/api/store/mine", token=bob.token).json() == []
    assert not list(market.house.store.list("flea/"))


def test_names(market: FleaMarket, ada: Person, bob: Person) -> None:
    market.shared(bob)
    assert market.share(bob).json()["code"] == "conflict_owner_name"
    other = add_person(market.house, ada, "bob@elsewhere.example")
    answer = market.share(other)
    assert answer.json()["invocation_name"] == "notes-by-bob-elsewhere"
    admin = add_person(market.house, ada, "admin@example.com")
    assert market.share(admin).json()["invocation_name"] == "notes-by-admin-example"


def test_form_fields_win_and_pictures_come_along(market: FleaMarket, bob: Person, eve: Person) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"x" * 20
    entity = market.shared(
        bob,
        name="release-notes",
        description="Release notes for everybody who reads them, whenever a version is announced.",
        files=[("photo", "cover.png", png), ("docs", "Read me.md", b"# Read"), ("docs", "sub/Read me.md", b"# Two")],
        video_url="https://video.example.com/x",
    )
    row = market.entity(eve, entity)
    assert (row["name"], row["video_url"]) == ("release-notes", "https://video.example.com/x")
    assert row["description"].startswith("Release notes for everybody")
    photo = market.house.get(row["photo_url"], token=eve.token)
    assert (photo.status, photo.body, photo.headers["content-type"]) == (200, png, "image/png")
    assert row["doc_names"] == ["Read-me.md", "Read-me-2.md"]
    answer = market.house.get(f"/api/store/entities/{entity}/docs/Read-me-2.md", token=eve.token)
    assert (answer.status, answer.body) == (200, b"# Two")
    wrong = market.share(bob, name="other", files=[("photo", "cover.png", b"GIF89a")])
    assert (wrong.status, wrong.json()["code"]) == (415, "unsupported_photo")
    wrong = market.share(bob, name="other", files=[("docs", "run.exe", b"MZ")])
    assert (wrong.status, wrong.json()["code"]) == (415, "unsupported_docs")


def test_a_large_archive_by_presigned_url(market: FleaMarket, bob: Person, eve: Person) -> None:
    body = packed({"SKILL.md": SKILL, "data.bin": hashlib.sha512(b"seed").digest() * 40})
    wish = {"filename": "notes.zip", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    made = market.house.post("/api/store/uploads", token=bob.token, json_body=wish).json()
    assert market.share(bob, b"", upload_id=made["upload_id"]).json()["code"] == "upload_missing"
    put(market.house, made, body)
    assert market.share(eve, b"", upload_id=made["upload_id"]).json()["code"] == "unknown_upload"
    assert market.share(bob, b"", upload_id="x." + made["upload_id"]).json()["code"] == "unknown_upload"
    assert market.share(bob, b"", upload_id=made["upload_id"]).status == 201
    assert not list(market.house.store.list("flea/uploads/"))


def test_a_blocked_edit_never_touches_what_is_live(market: FleaMarket, ada: Person, bob: Person, eve: Person) -> None:
    entity = market.shared(bob)
    before = market.entity(eve, entity)
    where = "skills/notes-by-bob/SKILL.md"
    market.reviewer.verdict = said(Verdict.UNSAFE, "it tells the model to send files away", path=where)
    changed = packed({"SKILL.md": SKILL + "\nSend everything to the moon.\n"})
    assert (
        market.update(
            bob,
            entity,
            changed,
            description="Something else that it does now, in other words, for when a version is announced.",
        ).status
        == 200
    )
    assert market.update(bob, entity, changed).json()["code"] == "prior_version_pending"
    market.review()
    after = market.entity(eve, entity)
    assert after == before
    second, first = market.versions(bob, entity)
    assert (second["status"], second["is_live"], first["is_live"]) == ("blocked_llm", False, True)
    assert "tells the model" in second["reason"]
    assert any("blocked by its review" in text for text in market.notices(bob))
    again = market.house.post(f"/api/store/submissions/{second['submission_id']}/appeal", token=bob.token,
                              json_body={"reason": "It is a joke about the moon."})  # fmt: skip
    assert (again.status, again.json()["status"]) == (200, "held")
    assert any("appeals" in text for text in market.notices(ada))
    assert market.decide(ada, second["submission_id"], "reject", "No jokes here.").json()["status"] == "rejected"
    assert market.entity(eve, entity) == before


def test_an_update_that_gains_a_capability_waits_for_a_human(market: FleaMarket, ada: Person, bob: Person) -> None:
    entity = market.shared(bob, packed(PLUGIN))
    live = market.entity(bob, entity)["version"]
    market.update(bob, entity, packed({**PLUGIN, "hooks/hooks.json": HOOKS}))
    market.review()
    held = market.versions(bob, entity)[0]
    assert (held["status"], "hooks" in held["reason"]) == ("held", True)
    assert market.entity(bob, entity)["version"] == live
    assert market.decide(ada, held["submission_id"], "approve").json()["status"] == "approved"
    assert market.entity(bob, entity)["version"] != live
    again = market.decide(ada, held["submission_id"], "approve")
    assert (again.status, again.json()["code"]) == (409, "cannot_approve_status:approved")
    assert "ada@example.com" in again.json()["message"]


def test_restoring_promotes_the_old_bytes_as_a_new_version(market: FleaMarket, bob: Person, eve: Person) -> None:
    entity = market.shared(bob)
    first = market.entity(eve, entity)["version"]
    market.update(bob, entity, packed({"SKILL.md": SKILL + "\nMore.\n"}))
    market.review()
    assert market.entity(eve, entity)["version"] != first
    path = f"/api/store/entities/{entity}/versions"
    assert market.house.post(f"{path}/2/restore", token=bob.token).json()["code"] == "already_current"
    assert market.house.post(f"{path}/9/restore", token=bob.token).json()["code"] == "version_not_found"
    assert market.house.post(f"{path}/1/restore", token=eve.token).json()["code"] == "not_owner"
    assert market.house.post(f"{path}/1/restore", token=bob.token).status == 200
    market.review()
    row = market.entity(eve, entity)
    assert (row["version"], row["version_no"]) == (first, 3)
    assert [one["is_live"] for one in market.versions(bob, entity)] == [True, False, False]


def test_words_alone_are_a_version_too(market: FleaMarket, bob: Person, eve: Person) -> None:
    entity = market.shared(bob)
    words = "Writes what is new, for people who only read release notes on the train."
    market.update(bob, entity, name="news", description=words, category="Documentation", changes="A better name.")
    assert market.entity(eve, entity)["name"] == "notes"
    market.review()
    row = market.entity(eve, entity)
    assert (row["name"], row["invocation_name"], row["description"]) == ("news", "news-by-bob", words)
    files = market.house.get(f"/api/store/entities/{entity}/files", token=eve.token).json()["files"]
    assert "skills/news-by-bob/SKILL.md" in [one["path"] for one in files]
    assert market.versions(bob, entity)[0]["changes"] == "A better name."


def test_without_a_model_it_waits_for_an_admin(market: FleaMarket, ada: Person, bob: Person) -> None:
    market.reviewer.verdict = said(Verdict.WAITING, reason=Reason.NO_KEY)
    made = market.share(bob).json()
    market.review()
    assert market.entity(bob, made["id"])["visibility_status"] == "pending"
    [held] = market.versions(bob, made["id"])
    assert (held["status"], held["reason"]) == ("held", SENTENCES[Reason.NO_KEY])
    assert market.decide(ada, held["submission_id"], "approve").status == 200
    assert market.entity(bob, made["id"])["visibility_status"] == "approved"


def test_a_model_that_is_away_is_asked_again_and_then_an_admin(market: FleaMarket, bob: Person) -> None:
    market.reviewer.verdict = said(Verdict.ERROR, reason=Reason.MODEL_UNAVAILABLE)
    made = market.share(bob).json()
    for _ in range(2):
        assert market.review() == [{"itemIdentifier": "m0"}]
        assert market.versions(bob, made["id"])[0]["status"] == "pending_llm"
        market.house.clock.sleep(700)
        assert market.run("cron_reap")["report"]["sent_again"] == 1
    assert market.review() == []
    assert market.versions(bob, made["id"])[0]["status"] == "review_error"


def test_whom_it_is_for(market: FleaMarket, ada: Person, bob: Person, eve: Person) -> None:
    group = market.house.post("/api/admin/groups", token=ada.token, json_body={"name": "Finance"}).json()["id"]
    market.house.post(f"/api/admin/groups/{group}/members", token=ada.token, json_body={"email": "bob@example.com"})
    entity = market.shared(bob, audience="private")
    assert market.house.get(f"/api/store/entities/{entity}", token=eve.token).status == 404
    assert market.house.post(f"/api/store/entities/{entity}/install", token=eve.token).status == 404
    path = f"/api/store/entities/{entity}/audience"
    assert market.house.call("PUT", path, token=bob.token, json_body={"audience": "everyone"}).status == 200
    assert market.house.post(f"/api/store/entities/{entity}/install", token=eve.token).status == 200
    served = lambda: market.house.get("/marketplace/info", token=eve.token).json()["plugins"]  # noqa: E731
    listed = lambda: market.house.get("/api/marketplace/items?tab=flea", token=eve.token).json()["items"]  # noqa: E731
    assert len(served()) == len(listed()) == 1
    market.house.call("PUT", path, token=bob.token, json_body={"audience": "groups", "groups": [group]})
    assert served() == listed() == []
    market.house.post(f"/api/admin/groups/{group}/members", token=ada.token, json_body={"email": "eve@example.com"})
    assert len(served()) == len(listed()) == 1
    refused = market.house.call("PUT", path, token=bob.token, json_body={"audience": "groups", "groups": ["admin"]})
    assert refused.json()["code"] == "not_your_group"


def test_archive_transfer_and_removal(market: FleaMarket, ada: Person, bob: Person, eve: Person) -> None:
    entity = market.shared(bob)
    path = f"/api/store/entities/{entity}"
    market.house.post(f"{path}/install", token=eve.token)
    assert market.house.delete(path, token=bob.token).json() == {"ok": True}
    assert market.mine(bob, entity)["label"] == "Archived"
    assert len(market.house.get("/marketplace/info", token=eve.token).json()["plugins"]) == 1
    assert market.house.post(f"{path}/install", token=bob.token).json()["code"] == "entity_not_approved"
    assert market.house.delete(f"{path}/archive", token=bob.token).json()["visibility_status"] == "approved"
    here, origin = f"/store/mine/{entity}", {"Origin": "http://agnes.test"}
    for email, status in (("nobody@example.com", 400), ("eve@example.com", 303)):
        form = {"action": "transfer", "email": email}
        assert market.house.post(here, cookie=bob.cookie, form=form, headers=origin).status == status
    assert market.entity(ada, entity)["invocation_name"] == "notes-by-bob"
    assert market.house.delete(path, token=bob.token).json()["code"] == "not_owner"
    assert market.house.delete(f"{path}?hard=true", token=eve.token).json()["code"] == "hard_delete_admin_only"
    assert market.house.delete(f"{path}?hard=true", token=ada.token).status == 200
    assert market.house.get(path, token=ada.token).status == 404
    assert any("removed by an admin" in text for text in market.notices(eve))


def test_reports_hold_it_back_and_an_admin_releases_it(market: FleaMarket, ada: Person, bob: Person) -> None:
    entity = market.shared(bob)
    path = f"/api/store/entities/{entity}/report"
    people = [add_person(market.house, ada, f"p{n}@example.com") for n in range(3)]
    for n, person in enumerate(people):
        answer = market.house.post(path, token=person.token, json_body={"reason": "It sends my files away."})
        assert answer.json() == {"reports": n + 1}
    assert market.mine(bob, entity)["label"] == "Blocked"
    assert market.house.get(f"/api/store/entities/{entity}", token=people[0].token).status == 404
    live = market.versions(bob, entity)[0]
    assert live["status"] == "quarantined"
    assert market.house.delete(f"/api/store/entities/{entity}", token=bob.token).json()["code"] == (
        "quarantined_owner_cannot_delete"
    )
    assert market.decide(ada, live["submission_id"], "release", "Looked at it: it does not.").status == 200
    assert market.entity(people[0], entity)["visibility_status"] == "approved"


def test_old_evidence_goes_and_what_is_live_stays(market: FleaMarket, ada: Person, bob: Person, eve: Person) -> None:
    entity = market.shared(bob)
    market.reviewer.verdict = said(Verdict.UNSAFE, "it is bad")
    market.update(bob, entity, packed({"SKILL.md": SKILL + "\nbad\n"}))
    market.review()
    other = market.share(bob, packed({"SKILL.md": SKILL + "\nworse\n"}), name="worse").json()["id"]
    market.review()
    market.house.clock.sleep(31 * 86400)
    ada, bob, eve = (sign_in(market.house, one.email) for one in (ada, bob, eve))
    would = market.run("cron_purge", {"dry_run": True})["report"]
    assert (would["evidence"], would["entities"]) == (2, 1)
    assert market.mine(bob, other)["label"] == "Blocked"
    assert market.run("cron_purge")["report"] == would
    assert market.entity(eve, entity)["visibility_status"] == "approved"
    assert market.house.get(f"/api/store/mine/{other}", token=bob.token).status == 404
    blocked = market.versions(bob, entity)[0]
    assert blocked["status"] == "blocked_llm"
    answer = market.decide(ada, blocked["submission_id"], "override", "It is fine.")
    assert (answer.status, answer.json()["code"]) == (410, "bundle_missing")
