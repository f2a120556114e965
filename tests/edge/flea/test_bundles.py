"""Export and import of shared entities: the same content, through the same checks; one bad entry costs itself."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from tests.builders.archives import AGENT, PLUGIN, SKILL, packed
from tests.builders.house import House
from tests.builders.market import FleaMarket, QueueHere, ScriptedReviewer, multipart
from tests.builders.people import Person, add_person, seed_admin


def exported(market: FleaMarket, who: Person) -> bytes:
    answer = market.house.get("/api/store/bundle.zip", token=who.token)
    assert answer.status == 302, answer.text
    [key] = [entry.key for entry in market.house.store.list("flea/bundles/")]
    return bytes(market.house.store.read(key).body)


def imported(market: FleaMarket, who: Person, body: bytes, mode: str = "merge") -> dict:
    form, headers = multipart({"mode": mode}, [("file", "bundle.zip", body)])
    answer = market.house.call("POST", "/api/store/import-bundle", token=who.token, body=form, headers=headers)
    assert answer.status == 200, answer.text
    return answer.json()


def test_from_one_installation_to_another(market: FleaMarket, ada: Person, bob: Person, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"x" * 20
    market.shared(bob, files=[("photo", "cover.png", png), ("docs", "read.md", b"# Read")], category="Security")
    market.shared(bob, packed({"auditor.md": AGENT}))
    market.shared(ada, packed(PLUGIN))
    body = exported(market, ada)
    queue, reviewer = QueueHere(), ScriptedReviewer()
    with House(tmp_path / "other", queue=queue, flea_reviewer=reviewer) as house:
        other = FleaMarket(house, queue, reviewer)
        admin = seed_admin(house)
        bob_there = add_person(house, admin, "bob@example.com")
        report = imported(other, admin, body)
        assert (report["imported"], report["errors"], report["left"]) == (3, [], 0)
        assert other.review() == []
        listed = house.get("/api/store/entities", token=bob_there.token).json()["items"]
        assert {(one["invocation_name"], one["type"]) for one in listed} == {
            ("notes-by-bob", "skill"), ("auditor-by-bob", "agent"), ("kit-by-ada", "plugin"),
        }  # fmt: skip
        [notes] = [one for one in listed if one["name"] == "notes"]
        assert (notes["category"], notes["doc_names"]) == ("Security", ["read.md"])
        assert house.get(notes["photo_url"], token=bob_there.token).body == png
        again = imported(other, admin, body)
        assert (again["imported"], again["replaced"], again["skipped"]) == (0, 0, 3)
        assert imported(other, admin, body, "replace")["replaced"] == 3
        house.state.close()


def test_one_bad_entry_costs_itself(market: FleaMarket, ada: Person, bob: Person) -> None:
    good = {"path": "entities/0/content.zip", "type": "skill", "name": "notes", "owner_email": "bob@example.com"}
    bad = {**good, "path": "entities/1/content.zip", "name": "climber"}
    gone = {**good, "path": "entities/2/content.zip", "name": "gone"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as whole:
        whole.writestr("manifest.json", json.dumps({"format": 1, "entities": [bad, gone, good]}))
        whole.writestr("entities/0/content.zip", packed({"SKILL.md": SKILL}))
        whole.writestr("entities/1/content.zip", packed({"../SKILL.md": SKILL}))
    report = imported(market, ada, buffer.getvalue())
    assert report["imported"] == 1
    assert [(one["name"], one["code"]) for one in report["errors"]] == [
        ("climber", "zip_unsafe_path"), ("gone", "bundle_invalid"),
    ]  # fmt: skip
    assert market.house.get("/api/store/mine", token=bob.token).json()[0]["entity"]["name"] == "notes"


def test_only_admins_import_and_only_bundles(market: FleaMarket, ada: Person, bob: Person) -> None:
    form, headers = multipart({"mode": "merge"}, [("file", "b.zip", packed({"a": "b"}))])
    for who, status in ((bob, 403), (ada, 422)):
        answer = market.house.call("POST", "/api/store/import-bundle", token=who.token, body=form, headers=headers)
        assert answer.status == status
