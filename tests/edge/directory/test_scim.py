"""SCIM 2.0: judged by scim2-tester, and by what Okta and Entra ID send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from tests.builders.house import House
from tests.builders.people import add_person, audit, sign_in
from tests.edge.accounts.test_tokens import make

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


class Directory:
    """What a directory does with its token."""

    def __init__(self, house: House, token: str) -> None:
        self.house, self.token = house, token

    def call(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        headers = {"Content-Type": "application/scim+json"}
        sent = b"" if body is None else json.dumps(body).encode()
        answer = self.house.call(method, f"/scim/v2{path}", token=self.token, body=sent, headers=headers)
        assert answer.status == expect, answer.text
        return answer.json() if answer.body else None

    def add(self, login: str, **more: Any) -> str:
        user = {
            "schemas": [USER],
            "userName": f"{login}@example.com",
            "displayName": login.title(),
            "active": True,
            **more,
        }
        return self.call("POST", "/Users", user, 201)["id"]

    def change(self, path: str, *operations: dict[str, Any], expect: int = 200) -> Any:
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, expect)

    def found(self, kind: str, query: str) -> list[str]:
        key = "userName" if kind == "Users" else "displayName"
        return [each[key] for each in self.call("GET", f"/{kind}?{query}").get("Resources", [])]


@pytest.fixture
def token(house, admin) -> str:
    return make(house, admin, name="Okta", scope="scim").json()["token"]


@pytest.fixture
def directory(house, token) -> Directory:
    return Directory(house, token)


def app_of(house: House, token: str) -> Callable[..., Iterable[bytes]]:
    """The functions as a WSGI application, for scim2-tester's client."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        body = environ["wsgi.input"].read()
        headers = {"Content-Type": environ.get("CONTENT_TYPE", "application/scim+json")}
        answer = house.call(
            environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}{query}", token=token, body=body, headers=headers
        )
        if not answer.headers:  # what no function serves is answered by the gateway, in the API's own shape
            error = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(answer.status)}
            answer.body, answer.headers = json.dumps(error).encode(), {"content-type": "application/scim+json"}
        start_response(f"{answer.status} Said", list(answer.headers.items()))
        return [answer.body]

    return app


@pytest.mark.slow
def test_scim2_tester_finds_no_fault(house, admin, token):
    client = WSGISCIMClient(app_of(house, token), base_url="http://agnes.test/scim/v2")
    results = check_server(client)
    wrong = [f"{r.title}: {r.reason}" for r in results if r.status in (Status.ERROR, Status.CRITICAL)]
    assert wrong == [], "\n".join(wrong)
    assert sum(r.status is Status.SUCCESS for r in results) > 40


def test_a_user_is_made_changed_and_deleted(house, admin, directory):
    user_id = directory.add("mira", externalId="00u1", name={"givenName": "Mira", "familyName": "Sand"})
    shown = directory.call("GET", f"/Users/{user_id}")
    assert (shown["userName"], shown["externalId"], shown["active"]) == ("mira@example.com", "00u1", True)
    assert shown["name"] == {"givenName": "Mira", "familyName": "Sand"}
    assert shown["meta"]["location"] == f"http://agnes.test/scim/v2/Users/{user_id}"
    (account,) = (u for u in house.get("/api/users", token=admin.token).json() if u["id"] == user_id)
    assert (account["email"], account["name"], account["is_sso_user"]) == ("mira@example.com", "Mira", True)
    changed = {**shown, "displayName": "Mira S.", "emails": [{"value": "Mira.Sand@example.com", "primary": True}]}
    directory.call("PUT", f"/Users/{user_id}", changed)
    account = house.get(f"/api/users/{user_id}", token=admin.token).json()
    assert (account["email"], account["name"]) == ("mira.sand@example.com", "Mira S.")
    directory.call("DELETE", f"/Users/{user_id}", expect=204)
    directory.call("GET", f"/Users/{user_id}", expect=404)
    assert house.get(f"/api/users/{user_id}", token=admin.token).status == 404
    assert [action for action, _, who in audit(house) if who == admin.email][-3:] == [
        "user.create",
        "user.update",
        "user.delete",
    ]


def test_whoever_leaves_is_out_at_once(house, admin, directory):
    """Sign-ins, tokens and the feed."""
    mira = add_person(house, admin, "mira@example.com")
    token = house.post("/auth/tokens", token=mira.token, json_body={"name": "laptop"}).json()["token"]
    (found,) = directory.call("GET", '/Users?filter=userName eq "mira@example.com"')["Resources"]
    assert found["id"] == mira.id, "an account that was there is found by its address"
    directory.change(f"/Users/{mira.id}", {"op": "Replace", "path": "active", "value": "False"})
    for credential in (mira.token, token):
        assert house.get("/api/me", token=credential).status == 401
        assert house.get("/marketplace.zip", token=credential).status == 401
    assert house.post("/auth/token", json_body={"email": mira.email, "password": "correct horse battery"}).status == 401
    directory.change(f"/Users/{mira.id}", {"op": "replace", "value": {"active": True}})
    assert house.get("/api/me", token=mira.token).status == 401, "a sign-in does not come back"
    assert house.post("/auth/token", json_body={"email": mira.email, "password": "correct horse battery"}).status == 401


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('filter=userName eq "ANN@example.com"', ["ann"]),
        ('filter=externalId eq "x-ben"', ["ben"]),
        ('filter=emails.value eq "ann@example.com"', ["ann"]),
        ('filter=emails[type eq "work"].value eq "ann@example.com"', ["ann"]),
        ('filter=displayName co "e" and active eq true', ["ben"]),
        ('filter=not (userName sw "a") and externalId pr', ["ben"]),
        ("sortBy=userName&sortOrder=descending&count=2", ["ben", "ann"]),
        ("startIndex=2&count=1&sortBy=userName", ["ann"]),
        ('filter=userName eq "nobody@example.com"', []),
        ("count=0", []),
    ],
)
def test_filters_sorting_and_pages(directory, query, names):
    directory.add("ann", emails=[{"value": "ann@example.com", "type": "work", "primary": True}])
    directory.add("ben", externalId="x-ben")
    assert directory.found("Users", query.replace(" ", "%20")) == [f"{name}@example.com" for name in names]


@pytest.mark.parametrize(
    ("query", "scim_type"),
    [
        ('filter=userName xx "a"', "invalidFilter"),
        ("filter=nope eq 1", "invalidFilter"),
        ("sortBy=nope", "invalidPath"),
    ],
)
def test_queries_that_are_refused(directory, query, scim_type):
    answer = directory.call("GET", f"/Users?{query.replace(' ', '%20')}", expect=400)
    assert answer["scimType"] == scim_type


def test_what_is_taken_is_refused(house, admin, directory):
    mira = directory.add("mira")
    ben = directory.add("ben")
    for body in ({"userName": "MIRA@example.com"}, {"userName": "x", "emails": [{"value": admin.email}]}):
        answer = directory.call("POST", "/Users", {"schemas": [USER], **body}, 409)
        assert (answer["status"], answer["scimType"]) == ("409", "uniqueness")
    answer = directory.call("PUT", f"/Users/{ben}", {"schemas": [USER], "userName": "mira@example.com"}, 409)
    assert answer["scimType"] == "uniqueness"
    assert directory.call("POST", "/Users", {"schemas": [USER]}, 400)["scimType"] == "invalidValue"
    answer = house.call("POST", "/scim/v2/Users", token=directory.token, body=b"{")
    assert answer.status == 400
    assert directory.call("GET", f"/Users/{mira}")["userName"] == "mira@example.com"


def test_the_last_admin_stays(house, admin, directory):
    directory.change(f"/Users/{admin.id}", {"op": "replace", "path": "active", "value": False}, expect=409)
    directory.call("DELETE", f"/Users/{admin.id}", expect=409)
    assert house.get("/api/me", token=admin.token).status == 200


def test_groups_and_their_members(house, admin, directory):
    ann, ben = directory.add("ann"), directory.add("ben")
    made = directory.call(
        "POST", "/Groups", {"schemas": [GROUP], "displayName": "Finance", "members": [{"value": ann}]}, 201
    )
    path = f"/Groups/{made['id']}"
    directory.change(path, {"op": "add", "path": "members", "value": [{"value": ben}]}, expect=204)

    def members() -> set[str]:
        return {each["value"] for each in directory.call("GET", path).get("members", [])}

    assert members() == {ann, ben}
    user = directory.call("GET", f"/Users/{ben}")
    assert [(group["value"], group["display"]) for group in user["groups"]] == [(made["id"], "Finance")]
    directory.change(path, {"op": "remove", "path": f'members[value eq "{ann}"]'}, expect=204)
    assert members() == {ben}
    directory.change(path, {"op": "Remove", "path": "members", "value": [{"value": ben}]}, expect=204)
    assert members() == set()
    directory.change(path, {"op": "replace", "value": {"displayName": "Money", "members": [{"value": ann}]}})
    shown = directory.call("GET", path)
    assert (shown["displayName"], members()) == ("Money", {ann})
    listed = directory.call("GET", '/Groups?filter=displayName%20eq%20"money"&excludedAttributes=members')
    assert ["members" in each for each in listed["Resources"]] == [False]
    directory.change(path, {"op": "add", "path": "members", "value": [{"value": "nobody"}]}, expect=400)
    nested = {"schemas": [GROUP], "displayName": "All", "members": [{"value": made["id"], "type": "Group"}]}
    directory.call("POST", "/Groups", nested, 400)
    directory.call("POST", "/Groups", {"schemas": [GROUP], "displayName": "MONEY"}, 409)
    group = house.get(f"/api/admin/groups/{made['id']}", token=admin.token).json()
    assert (group["name"], group["origin"], group["member_count"]) == ("Money", "scim", 1)
    answer = house.delete(f"/api/admin/groups/{made['id']}", token=admin.token)
    assert (answer.status, answer.json()["code"]) == (409, "directory_managed_readonly")
    directory.call("DELETE", path, expect=204)
    directory.call("GET", path, expect=404)


def test_a_directorys_group_is_not_the_admins_of_that_name(house, admin, directory):
    made = house.post("/api/admin/groups", token=admin.token, json_body={"name": "Finance"}).json()
    group = directory.call("POST", "/Groups", {"schemas": [GROUP], "displayName": "Finance"}, 201)
    assert group["displayName"] == "Finance"
    names = {g["id"]: g["name"] for g in house.get("/api/admin/groups", token=admin.token).json()}
    assert (names[made["id"]], names[group["id"]]) == ("Finance", "Finance (directory)")
    directory.call("GET", f"/Groups/{made['id']}", expect=404)
    answer = directory.call("POST", "/Groups", {"schemas": [GROUP], "displayName": "Admin"}, 201)
    assert not house.get(f"/api/admin/groups/{answer['id']}", token=admin.token).json()["is_system"]


def test_many_at_once(house, directory):
    users = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": f"u{number}",
            "data": {"schemas": [USER], "userName": f"u{number}@example.com"},
        }
        for number in range(50)
    ]
    group = {"schemas": [GROUP], "displayName": "All", "members": [{"value": "bulkId:u7"}]}
    more = [
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group},
        {"method": "POST", "path": "/Users", "bulkId": "twice", "data": users[0]["data"]},
        {"method": "DELETE", "path": "/Users/bulkId:u8"},
        {"method": "GET", "path": "/Users"},
    ]
    generation = house.state.generation("people")
    done = directory.call("POST", "/Bulk", {"schemas": [BULK], "Operations": users + more})["Operations"]
    assert [line["status"] for line in done] == ["201"] * 51 + ["409", "204", "400"]
    assert house.state.generation("people") == generation + 3, "the new users were one commit"
    assert directory.call("GET", "/Users?count=1")["totalResults"] == 50
    made = next(line["location"] for line in done if line.get("bulkId") == "g")
    assert len(directory.call("GET", made.partition("/scim/v2")[2])["members"]) == 1
    again = directory.call("POST", "/Bulk", {"schemas": [BULK], "failOnErrors": 1, "Operations": users})["Operations"]
    assert [line["status"] for line in again] == ["409"]
    too_many = {"schemas": [BULK], "Operations": users * 21}
    directory.call("POST", "/Bulk", too_many, 413)


def test_only_a_directorys_token_opens_it(house, admin, directory):
    bob = add_person(house, admin, "bob@example.com")
    for credential in (admin.token, bob.token, make(house, admin).json()["token"]):
        answer = house.get("/scim/v2/Users", token=credential)
        assert (answer.status, answer.json()["status"]) == (403, "403")
    assert house.get("/scim/v2/Users").status == 401
    assert make(house, bob, scope="scim").status == 403
    assert house.get("/api/users", token=directory.token).json()["code"] == "token_scope"


def test_its_end_with_its_owner(house, admin, directory):
    eve = add_person(house, admin, "eve@example.com", groups=("admin",))
    theirs = Directory(house, make(house, eve, scope="scim").json()["token"])
    theirs.call("GET", "/Users")
    house.delete(f"/api/admin/groups/admin/members/{eve.id}", token=admin.token)
    theirs.call("GET", "/Users", expect=403)


def test_who_is_provisioned_signs_on_and_stays_the_same(house, admin, directory, provider):
    from tests.edge.directory.test_sign_on import error_of, me, sign_on

    user_id = directory.add("mira")
    assert me(house, sign_on(house, provider))["user_id"] == user_id
    directory.change(f"/Users/{user_id}", {"op": "replace", "path": "active", "value": False})
    assert error_of(sign_on(house, provider)) == "account_deactivated"
    assert sign_in(house, admin.email)
