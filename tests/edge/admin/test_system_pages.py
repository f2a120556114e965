"""Model prices, jobs, blocked content, collect locations, and the export of the audit, without a browser."""

from __future__ import annotations

from tests.builders.people import add_person

PAGES = tuple(f"/admin/system/{name}" for name in ("prices", "jobs", "blocked", "locations"))
PRICE = {
    "action": "set",
    "model": "own-model-*",
    "valid_from": "2026-11-01",
    "input": "3",
    "output": "15",
    "cache_read": "0.3",
    "cache_write": "3.75",
    "cache_write_1h": "",
    "web_search": "",
}
TREE = "ab" * 32


def test_they_are_for_admins(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    for path in PAGES:
        assert house.get(path, token=admin.token).status == 200, path
        assert house.get(path, token=bob.token).status == 403, path
        assert house.post(path, token=bob.token, form={"action": "x"}).status == 403, path


def test_a_price_is_set_found_and_taken_back(house, admin):
    assert house.post("/admin/system/prices", token=admin.token, form=PRICE).status == 303
    page = house.get("/admin/system/prices?q=own-MODEL", token=admin.token).text
    assert "own-model-*" in page
    assert "3.75" in page
    assert "The price list has no such model." in page
    listed = house.get("/api/admin/usage/prices", token=admin.token).json()
    assert any(price["model"] == "own-model-*" and price["output"] == 15 for price in listed)
    back = {"action": "remove", "model": "own-model-*", "valid_from": "2026-11-01"}
    assert house.post("/admin/system/prices", token=admin.token, form=back).status == 303
    assert house.post("/admin/system/prices", token=admin.token, form=back).status == 404


def test_a_wrong_price_is_shown_again(house, admin):
    for field, value, reason in (
        ("input", "", "input, output, cache reads and cache writes are needed"),
        ("input", "-1", "field--error"),
        ("model", "a b", "not a valid model name"),
        ("valid_from", "soon", "field--error"),
    ):
        again = house.post("/admin/system/prices", token=admin.token, form=PRICE | {field: value})
        assert again.status in (400, 422), field
        assert reason in again.text.replace("Input", "input"), field
        assert 'value="3.75"' in again.text


def test_a_job_is_started_and_its_outcome_shown(house, admin):
    page = house.get("/admin/system/jobs", token=admin.token).text
    assert "accounts.prune" in page
    assert "Never ran" in page
    page = house.get("/admin/system/jobs", token=admin.token).text
    for words in ("daily at 03:10", "every 6 hours, from 01:20", "every 20 minutes", "every hour", "every day"):
        assert words in page, words
    assert "cron(" not in page
    started = house.post("/admin/system/jobs", token=admin.token, form={"action": "run", "job": "accounts.prune"})
    assert started.status == 303
    [beat] = [job for job in house.get("/api/admin/run", token=admin.token).json() if job["name"] == "accounts.prune"]
    assert beat["last"]["ok"]
    page = house.get("/admin/system/jobs", token=admin.token).text
    assert 'state--green">OK' in page
    unknown = house.post("/admin/system/jobs", token=admin.token, form={"action": "run", "job": "nothing"})
    assert unknown.status == 404
    assert "there is no job" in unknown.text.lower()


def test_content_is_blocked_and_served_again(house, admin):
    assert "Nothing is blocked" in house.get("/admin/system/blocked", token=admin.token).text
    block = {"action": "block", "tree_id": TREE.upper(), "reason": "A <key> leaked."}
    assert house.post("/admin/system/blocked", token=admin.token, form=block).status == 303
    page = house.get("/admin/system/blocked", token=admin.token).text
    assert "A &lt;key&gt; leaked." in page
    assert TREE[:12] in page
    for wrong, reason in (({"tree_id": "xyz"}, "64 hexadecimal digits"), ({"reason": "  "}, "say why it is blocked")):
        again = house.post("/admin/system/blocked", token=admin.token, form=block | wrong)
        assert (again.status, reason in again.text.lower()) == (400, True)
    assert (
        house.post("/admin/system/blocked", token=admin.token, form={"action": "unblock", "tree_id": TREE}).status
        == 303
    )
    assert "Nothing is blocked" in house.get("/admin/system/blocked", token=admin.token).text


def test_a_location_is_added_paused_and_removed(house, admin):
    path = "/admin/system/locations"
    assert "Nothing is collected" in house.get(path, token=admin.token).text
    drop = {"action": "add", "id": "runners", "kind": "s3", "bucket": "drop", "pattern": "{user}/*.jsonl", "port": ""}
    keys = {"access_key_id": "AKIA-of-the-test", "secret_access_key": "never-shown"}
    again = house.post(path, token=admin.token, form=drop | keys | {"pattern": ""})
    assert (again.status, 'value="runners"' in again.text, "never-shown" in again.text) == (400, True, False)
    assert house.post(path, token=admin.token, form=drop | keys).status == 303
    page = house.get(path, token=admin.token).text
    assert "S3 bucket: drop" in page
    assert "never-shown" not in page
    assert house.post(path, token=admin.token, form=drop | keys).status == 409
    assert house.post(path, token=admin.token, form={"action": "pause", "id": "runners"}).status == 303
    [location] = house.get("/api/admin/usage/locations", token=admin.token).json()
    assert (location["enabled"], location["has_credential"]) == (False, True)
    assert house.post(path, token=admin.token, form={"action": "resume", "id": "runners"}).status == 303
    assert house.post(path, token=admin.token, form={"action": "remove", "id": "runners"}).status == 303
    assert "Nothing is collected" in house.get(path, token=admin.token).text
    unconfirmed = {
        "action": "add",
        "id": "sftp",
        "kind": "sftp",
        "host": "h.example",
        "username": "u",
        "pattern": "{user}/*.jsonl",
        "password": "p",
    }
    refused = house.post(path, token=admin.token, form=unconfirmed)
    assert (refused.status, "host key must be confirmed" in refused.text) == (400, True)


def test_the_audit_is_exported_from_its_page(house, admin):
    page = house.get("/admin/activity?since_minutes=10080", token=admin.token).text
    assert 'action="/api/admin/audit/export"' in page
    assert 'name="since" value="2026-11-16"' in page
    assert 'name="until" value="2026-11-23"' in page
    file = house.get("/api/admin/audit/export?since=2026-11-16&until=2026-11-23&format=csv", token=admin.token)
    assert (file.status, "bootstrap_seeded" in file.text) == (200, True)
