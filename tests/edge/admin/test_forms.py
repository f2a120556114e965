"""Forms of the admin's pages, without a browser: what they refuse, show again, and say once."""

from __future__ import annotations

import pytest

from tests.builders.marketplaces import register
from tests.builders.people import add_person, audit

PAGES = ("/admin", "/admin/users", "/admin/groups", "/admin/groups/everyone", "/admin/access", "/admin/tokens")


def notice(house, admin, answer) -> str:
    """What the page says that a form led to, and once only."""
    cookie = answer.cookies[0].partition(";")[0]
    page = house.get(answer.headers["location"], token=admin.token, headers={"cookie": cookie})
    assert 'role="status"' in page.text
    assert any(each.startswith("agnes_notice=;") for each in page.cookies)
    return page.text.partition('role="status">')[2].partition("<")[0]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_admins(house, admin, path):
    bob = add_person(house, admin, "bob@example.com")
    assert house.get(path, token=admin.token).status == 200
    assert house.get(path, token=bob.token).status == 403
    assert house.get(path).status == 302


def test_forms_are_for_admins_and_for_this_site(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    form = {"action": "create", "name": "Finance"}
    assert house.post("/admin/groups", token=bob.token, form=form).status == 403
    refused = house.post(
        "/admin/groups", cookie=f"access_token={admin.token}", form=form, headers={"sec-fetch-site": "cross-site"}
    )
    assert refused.status == 403
    assert "Finance" not in house.get("/admin/groups", token=admin.token).text


def test_a_user_is_added_and_the_next_page_says_so_once(house, admin):
    made = house.post("/admin/users", token=admin.token, form={"action": "create", "email": "eve@example.com"})
    assert made.status == 303
    assert notice(house, admin, made).startswith("eve@example.com is added.")
    assert 'role="status"' not in house.get(made.headers["location"], token=admin.token).text


def test_a_notice_cannot_be_put_into_a_link(house, admin):
    page = house.get("/admin/users?notice=Send+your+password&said=registered", token=admin.token)
    assert 'role="status"' not in page.text
    broken = house.get("/admin/users", token=admin.token, headers={"cookie": "agnes_notice=%%%"})
    assert broken.status == 200
    assert 'role="status"' not in broken.text


def test_what_was_typed_is_shown_again_with_the_reason(house, admin):
    add_person(house, admin, "bob@example.com")
    form = {"action": "create", "email": "bob@example.com", "name": "<b>Bob</b>"}
    again = house.post("/admin/users", token=admin.token, form=form)
    assert again.status == 409
    assert "There is an account for bob@example.com already." in again.text
    assert 'value="bob@example.com"' in again.text
    assert 'value="&lt;b&gt;Bob&lt;/b&gt;"' in again.text
    short = house.post("/admin/users", token=admin.token, form={"action": "create", "email": "x"})
    assert short.status == 422
    assert 'aria-invalid="true"' in short.text


def test_a_password_is_never_shown_again(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    form = {"action": "password", "password": "s3cret-but-short"[:9]}
    again = house.post(f"/admin/users/{bob.id}", token=admin.token, form=form)
    assert again.status == 400
    assert "A password has 12 to 1024 characters." in again.text
    assert "s3cret-bu" not in again.text


def test_people_come_into_a_group_all_or_none(house, admin):
    for name in ("bob", "eve"):
        add_person(house, admin, f"{name}@example.com")
    made = house.post("/admin/groups", token=admin.token, form={"action": "create", "name": "Finance"})
    page = made.headers["location"]
    emails = "bob@example.com, EVE@example.com;\nzoe@example.com"
    unknown = house.post(page, token=admin.token, form={"action": "add_members", "emails": emails})
    assert unknown.status == 404
    assert "There is no account for zoe@example.com." in unknown.text
    assert "0 people" in house.get(page, token=admin.token).text
    added = house.post(page, token=admin.token, form={"action": "add_members", "emails": emails.rpartition(";")[0]})
    assert notice(house, admin, added) == "2 people added to Finance."
    again = house.post(page, token=admin.token, form={"action": "add_members", "emails": "bob@example.com"})
    assert notice(house, admin, again) == "0 people added to Finance. 1 were in it already."
    assert [line[0] for line in audit(house)].count("user_group.member_added") == 2


def test_plugins_are_granted_required_and_revoked(house, admin):
    register(house, "acme", plugins=("alpha", "beta"))
    given = {"group_id": "everyone", "marketplace_id": "acme"}
    nothing = house.post("/admin/access", token=admin.token, form={**given, "action": "grant"})
    assert nothing.status == 400
    assert "No plugin is selected." in nothing.text
    one = {**given, "plugins": "acme/alpha"}
    assert notice(house, admin, house.post("/admin/access", token=admin.token, form={**one, "action": "grant"})) == (
        "1 plugin is granted to Everyone (1 person)."
    )
    required = house.post("/admin/access", token=admin.token, form={**one, "action": "require"})
    assert "1 plugin is required for Everyone" in notice(house, admin, required)
    held = house.get("/api/my-stack", token=admin.token).json()["curated"]
    assert [(line["plugin_name"], line["required"]) for line in held] == [("alpha", True)]
    gone = house.post("/admin/access", token=admin.token, form={**one, "action": "revoke"})
    assert notice(house, admin, gone) == "1 plugin is no longer granted to Everyone (1 person)."
    assert house.get("/api/my-stack", token=admin.token).json()["curated"] == []


def test_all_of_a_marketplace(house, admin):
    register(house, "acme", plugins=("alpha", "beta"))
    given = {"group_id": "everyone", "marketplace_id": "acme"}
    granted = house.post("/admin/access", token=admin.token, form={**given, "action": "grant_whole"})
    assert "plugins that it adds later too" in notice(house, admin, granted)
    page = house.get("/admin/access?group_id=everyone&marketplace_id=acme", token=admin.token).text
    assert page.count("With all") == 2
    grant_id = page.partition('name="grant_id" value="')[2].partition('"')[0]
    more = {**given, "grant_id": grant_id}
    for action in ("require_whole", "release_whole", "revoke_whole"):
        assert house.post("/admin/access", token=admin.token, form={**more, "action": action}).status == 303
    assert "With all" not in house.get("/admin/access?group_id=everyone&marketplace_id=acme", token=admin.token).text


def test_a_user_leaves_everything_behind(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    made = house.post("/auth/tokens", token=bob.token, json_body={"name": "laptop"})
    page = f"/admin/users/{bob.id}"
    if made.status == 201:
        assert "laptop" in house.get(page, token=admin.token).text
        ended = house.post(page, token=admin.token, form={"action": "revoke_all_tokens"})
        assert notice(house, admin, ended) == "1 token revoked. They stop working at once."
    house.post(page, token=admin.token, form={"action": "rename", "name": "Robert"})
    assert "Robert" in house.get("/admin/users?q=ROB", token=admin.token).text
    disabled = house.post(page, token=admin.token, form={"action": "disable"})
    assert "is disabled" in notice(house, admin, disabled)
    assert house.get("/api/me", token=bob.token).status == 401
    assert "bob@example.com" in house.get("/admin/users?status=disabled", token=admin.token).text
    own = house.post(f"/admin/users/{admin.id}", token=admin.token, form={"action": "delete"})
    assert own.status == 409
    assert "You cannot delete yourself." in own.text
    gone = house.post(page, token=admin.token, form={"action": "delete"})
    assert notice(house, admin, gone) == "The account of bob@example.com is deleted."
    assert house.get(page, token=admin.token).status == 404


def test_users_are_paged_filtered_and_sorted(house, admin):
    for number in range(60):
        given = {"email": f"user{number:02}@example.com", "name": f"Person {60 - number:02}"}
        assert house.post("/api/users", token=admin.token, json_body=given).status == 201
    first = house.get("/admin/users?q=user", token=admin.token).text
    assert "60 users" in first
    assert "user49@" in first
    assert "user50@" not in first
    second = house.get("/admin/users?q=user&offset=50", token=admin.token).text
    assert "user50@" in second
    assert "51\u201360 of 60" in second
    by_name = house.get("/admin/users?q=user&sort=name", token=admin.token).text
    assert by_name.index("user59@") < by_name.index("user58@")
    assert "No user matches these filters" in house.get("/admin/users?q=nobody", token=admin.token).text
