"""Signing in with OpenID Connect and Google: what is taken, what is refused, and what becomes of accounts and groups."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import OctKey, RSAKey

from agnes import wiring
from agnes.kernel.ports import Secret
from agnes.kernel.provider_web import ProviderUnreachable
from tests.builders.house import Answer, House
from tests.builders.openid_provider import CLIENT, FakeProvider
from tests.builders.people import PASSWORD, add_person
from tests.edge.directory.conftest import OIDC


def begin(house: House, key: str = "oidc", way_on: str = "") -> tuple[str, str]:
    """(address at the provider, the cookie that remembers it)"""
    answer = house.get(f"/auth/{key}/login?{urlencode({'next': way_on})}")
    assert answer.status == 302, answer.text
    return answer.headers["location"], answer.cookies[0].partition(";")[0]


def sign_on(house: House, provider: FakeProvider, key: str = "oidc", **more: str) -> Answer:
    url, cookie = begin(house, key)
    brought = provider.authorize(url) | more
    return house.get(f"/auth/{key}/callback?{urlencode(brought)}", cookie=cookie)


def session_of(answer: Answer) -> str:
    assert answer.status == 302
    assert "/login" not in answer.headers["location"], answer.headers["location"]
    cookie = next(cookie for cookie in answer.cookies if cookie.startswith("access_token="))
    return cookie.partition(";")[0].removeprefix("access_token=")


def error_of(answer: Answer) -> str:
    assert answer.status == 302
    assert not any(cookie.startswith("access_token=ags_") for cookie in answer.cookies)
    return parse_qs(urlsplit(answer.headers["location"]).query)["error"][0]


def me(house: House, answer: Answer) -> dict:
    return house.get("/api/me", token=session_of(answer)).json()


def groups(house: House, answer: Answer) -> set[str]:
    return {group["name"] for group in me(house, answer)["groups"]}


def test_somebody_new_gets_an_account_that_is_marked(house, admin, provider):
    page = house.get("/login").text
    assert "Sign in with Northwind" in page
    answer = sign_on(house, provider)
    found = me(house, answer)
    assert (found["email"], found["name"]) == ("mira@example.com", "Mira")
    (user,) = (u for u in house.get("/api/users", token=admin.token).json() if u["email"] == "mira@example.com")
    assert user["is_sso_user"] is True
    assert me(house, sign_on(house, provider))["user_id"] == found["user_id"], "the same person again"
    generation = house.state.generation("people")
    sign_on(house, provider)
    assert house.state.generation("people") == generation, "nothing about the person changed"
    lines = [json.loads(house.store.read(entry.key).body) for entry in house.store.list("audit/login_succeeded/")]
    told = (f"user:{found['user_id']}", "mira@example.com", "oidc")
    assert told in {(line["resource"], line["email"], line["params"]["method"]) for line in lines}


def test_where_the_browser_goes_on_to(house, admin, provider):
    for asked, arrived in (("/me/usage?x=1", "/me/usage?x=1"), ("//evil.example", "/marketplace")):
        url, cookie = begin(house, way_on=asked)
        answer = house.get(f"/auth/oidc/callback?{urlencode(provider.authorize(url))}", cookie=cookie)
        assert answer.headers["location"] == arrived


def test_the_description_and_keys_are_read_once(house, provider):
    for _ in range(3):
        sign_on(house, provider)
    assert len([url for url in provider.asked if not url.endswith("/userinfo")]) == 2
    provider.is_down = True
    house.clock.sleep(3 * 3600)
    session_of(sign_on(house, provider))
    house.clock.sleep(24 * 3600)
    assert house.get("/auth/oidc/login").headers["location"].startswith("/login?error=identity_provider_unreachable")


def test_a_new_key_is_found(house, provider):
    session_of(sign_on(house, provider))
    house.clock.sleep(120)
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})
    provider.header = {"alg": "RS256", "kid": "two"}
    session_of(sign_on(house, provider))


WRONG_TOKENS = {
    "another nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "other-client"},
    "others too": {"aud": [CLIENT, "other"]},
    "another party": {"azp": "other"},
    "expired": {"exp": 1},
    "no end": {"exp": None},
    "of the future": {"nbf": 4102444800},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "a subject that is a number": {"sub": 7},
}


@pytest.mark.parametrize("wrong", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_id_tokens_that_are_refused(house, admin, provider, wrong):
    provider.claims = wrong
    assert error_of(sign_on(house, provider)) == "oauth_failed"
    assert len(house.get("/api/users", token=admin.token).json()) == 1, "no account was made"


def test_signatures_that_are_refused(house, provider):
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    shared = OctKey.import_key("s" * 32)
    for key, header in (
        (stranger, {"alg": "RS256", "kid": "one"}),
        (shared, {"alg": "HS256", "kid": "one"}),
        (shared, {"alg": "none"}),
    ):
        provider.published = provider.published or provider.key
        provider.key, provider.header = key, header
        assert error_of(sign_on(house, provider)) == "oauth_failed"


WRONG_PEOPLE = {
    "no address": ({"email": None}, "no_email"),
    "an address that is none": ({"email": "mira"}, "no_email"),
    "an address that was not verified": ({"email_verified": False}, "email_unverified"),
    "nothing about the address": ({"email_verified": None}, "email_unverified"),
    "a truthy word": ({"email_verified": "yes"}, "email_unverified"),
}


@pytest.mark.parametrize(("claims", "code"), WRONG_PEOPLE.values(), ids=WRONG_PEOPLE)
def test_people_whose_address_proves_nothing(house, provider, claims, code):
    provider.claims = claims
    assert error_of(sign_on(house, provider)) == code
    assert house.get(f"/login?error={code}").text.count('role="alert"') == 1


def test_the_answer_must_come_to_the_browser_that_asked(house, provider):
    url, cookie = begin(house)
    brought = provider.authorize(url)
    other_url, other_cookie = begin(house)
    for sent, query in (
        ("", brought),
        (other_cookie, brought),
        (cookie, brought | {"state": "forged"}),
        (cookie.replace("=", "=A", 1), brought),
        (cookie, provider.authorize(other_url)),
    ):
        answer = house.get(f"/auth/oidc/callback?{urlencode(query)}", cookie=sent or None)
        assert error_of(answer) == "sign_on_expired"
    session_of(house.get(f"/auth/oidc/callback?{urlencode(brought)}", cookie=cookie))
    answer = house.get(f"/auth/oidc/callback?{urlencode(brought)}", cookie=cookie)
    assert error_of(answer) == "oauth_failed", "a code is redeemed once"
    url, cookie = begin(house)
    house.clock.sleep(601)
    answer = house.get(f"/auth/oidc/callback?{urlencode(provider.authorize(url))}", cookie=cookie)
    assert error_of(answer) == "sign_on_expired"


def test_an_answer_of_another_provider_is_refused(house, provider):
    assert error_of(sign_on(house, provider, iss="https://evil.example")) == "oauth_failed"
    assert error_of(sign_on(house, provider, error="access_denied")) == "oauth_failed"
    session_of(sign_on(house, provider, iss=provider.issuer))


def test_claims_come_from_userinfo_where_the_token_has_none(house, provider):
    provider.claims = {"email": None, "email_verified": None}
    provider.userinfo = {"sub": "subject-1", "email": "mira@example.com", "email_verified": True}
    assert me(house, sign_on(house, provider))["email"] == "mira@example.com"
    provider.userinfo["sub"] = "subject-2"
    assert error_of(sign_on(house, provider)) == "oauth_failed"


def test_groups_that_cannot_be_asked_for_do_not_keep_somebody_out(house, provider):
    provider.claims = {"groups": ["Finance"]}
    session_of(sign_on(house, provider))
    provider.claims = {}
    provider.userinfo = {"sub": "subject-1", "groups": {"of": "another shape"}}
    assert groups(house, sign_on(house, provider)) == {"Everyone", "Finance"}
    provider.userinfo_is_down = True
    assert groups(house, sign_on(house, provider)) == {"Everyone", "Finance"}
    provider.claims = {"email": None}
    assert error_of(sign_on(house, provider)) == "identity_provider_unreachable"


def test_an_account_that_exists_is_linked_by_its_address_and_loses_its_password(house, admin, provider):
    mira = add_person(house, admin, "mira@example.com")
    assert me(house, sign_on(house, provider))["user_id"] == mira.id
    assert house.get("/api/me", token=mira.token).status == 401, "sign-ins from before have ended"
    answer = house.post("/auth/token", json_body={"email": mira.email, "password": PASSWORD})
    assert answer.json()["code"] == "invalid_credentials"
    for path, body in (("set-password", {"password": PASSWORD}), ("reset-password", {})):
        answer = house.post(f"/api/users/{mira.id}/{path}", token=admin.token, json_body=body)
        assert (answer.status, answer.json()["code"]) == (409, "managed_elsewhere")
    answer = house.delete(f"/api/users/{mira.id}", token=admin.token)
    assert (answer.status, answer.json()["code"]) == (409, "managed_elsewhere")


def test_the_operators_admin_keeps_the_password_as_a_way_in(house, admin, provider):
    provider.claims = {"email": admin.email}
    assert me(house, sign_on(house, provider))["user_id"] == admin.id
    assert house.login(admin.email, PASSWORD)


def test_an_address_that_is_given_to_somebody_else_opens_nothing(house, admin, provider):
    session_of(sign_on(house, provider))
    provider.claims = {"sub": "subject-2"}
    assert error_of(sign_on(house, provider)) == "identity_conflict"


def test_somebody_whose_address_changed_stays_the_same(house, admin, provider):
    before = me(house, sign_on(house, provider))
    provider.claims = {"email": "mira.new@example.com"}
    after = me(house, sign_on(house, provider))
    assert (after["user_id"], after["email"]) == (before["user_id"], "mira.new@example.com")
    provider.claims = {"email": admin.email}
    assert me(house, sign_on(house, provider))["email"] == "mira.new@example.com", "an address that is taken is not"


def test_whoever_is_disabled_stays_out(house, admin, provider):
    user_id = me(house, sign_on(house, provider))["user_id"]
    assert house.post(f"/api/users/{user_id}/deactivate", token=admin.token).status == 200
    assert error_of(sign_on(house, provider)) == "account_deactivated"


def test_groups_follow_the_claim_and_empty_is_not_failed(house, admin, provider):
    provider.claims = {"groups": ["Finance", "Data"]}
    answer = sign_on(house, provider)
    assert groups(house, answer) == {"Everyone", "Finance", "Data"}
    for shape in (None, {"Finance": 1}, ["Finance", 7], ["x" * 300]):
        provider.claims = {"groups": shape}
        assert groups(house, sign_on(house, provider)) == {"Everyone", "Finance", "Data"}, shape
    provider.claims = {"groups": None, "_claim_names": {"groups": "src1"}}
    assert groups(house, sign_on(house, provider)) == {"Everyone", "Finance", "Data"}
    provider.claims = {"groups": ["Data"]}
    assert groups(house, sign_on(house, provider)) == {"Everyone", "Data"}
    provider.claims = {"groups": []}
    assert groups(house, sign_on(house, provider)) == {"Everyone"}


def test_a_directorys_group_never_becomes_one_that_admins_made(house, admin, provider):
    made = house.post("/api/admin/groups", token=admin.token, json_body={"name": "Finance"}).json()
    provider.claims = {"groups": ["Finance"]}
    assert groups(house, sign_on(house, provider)) == {"Everyone", "Finance (directory)"}
    assert house.get(f"/api/admin/groups/{made['id']}", token=admin.token).json()["member_count"] == 0


def test_a_synced_group_is_read_only_with_the_reason(house, admin, provider):
    provider.claims = {"groups": ["Finance"]}
    user = me(house, sign_on(house, provider))
    (group,) = (g for g in house.get("/api/admin/groups", token=admin.token).json() if g["name"] == "Finance")
    assert (group["origin"], group["is_google_managed"]) == ("oidc_sync", False)
    path = f"/api/admin/groups/{group['id']}"
    for answer in (
        house.call("PATCH", path, token=admin.token, json_body={"name": "Other"}),
        house.delete(path, token=admin.token),
        house.post(f"{path}/members", token=admin.token, json_body={"email": admin.email}),
        house.delete(f"{path}/members/{user['user_id']}", token=admin.token),
    ):
        assert (answer.status, answer.json()["code"]) == (409, "directory_managed_readonly")
    page = house.get(f"/admin/groups/{group['id']}", cookie=admin.cookie).text
    assert "From the identity provider" in page
    assert "Delete the group" not in page
    granted = {"group_id": group["id"], "resource_type": "marketplace", "resource_id": "acme"}
    assert house.post("/api/admin/grants", token=admin.token, json_body=granted).status in (201, 404), "grants are ours"


def test_the_admin_group_makes_admins_and_unmakes_them(house, admin, provider):
    provider.claims = {"groups": ["agnes-admins"]}
    answer = sign_on(house, provider)
    assert me(house, answer)["is_admin"]
    provider.claims = {"groups": []}
    again = sign_on(house, provider)
    assert not me(house, again)["is_admin"]
    assert house.get("/api/me", token=session_of(answer)).status == 401, "an admin's sign-in ends with it"


def test_refusals_are_recorded(house, provider):
    provider.claims = {"email_verified": False}
    sign_on(house, provider)
    assert len(list(house.store.list("audit/login_failed/"))) == 1


class TestGate:
    @pytest.fixture
    def environ(self):
        return OIDC | {"OIDC_GROUP_PREFIX": "agnes-", "OIDC_EMAIL_VERIFIED": "assumed"}

    def test_only_members_of_a_counting_group_come_in(self, house, admin, provider):
        provider.claims = {"groups": ["finance"]}
        assert error_of(sign_on(house, provider)) == "not_in_allowed_group"
        provider.claims = {"groups": []}
        assert error_of(sign_on(house, provider)) == "not_in_allowed_group"
        provider.claims = {"groups": None}
        assert error_of(sign_on(house, provider)) == "group_check_unavailable"
        assert len(house.get("/api/users", token=admin.token).json()) == 1
        provider.claims = {"groups": ["finance", "agnes-users"]}
        assert groups(house, sign_on(house, provider)) == {"Everyone", "agnes-users"}

    def test_an_assumed_address_may_be_unmentioned_and_not_false(self, house, provider):
        provider.claims = {"groups": ["agnes-users"], "email_verified": None}
        session_of(sign_on(house, provider))
        provider.claims = {"groups": ["agnes-users"], "email_verified": False}
        assert error_of(sign_on(house, provider)) == "email_unverified"


class TestGoogle:
    @pytest.fixture
    def environ(self):
        return {
            "GOOGLE_CLIENT_ID": CLIENT,
            "GOOGLE_CLIENT_SECRET": "shh",
            "ALLOWED_DOMAINS": "example.com, example.org",
            "GOOGLE_ADMIN_SDK_SUBJECT": "root@example.com",
            "AGNES_GROUP_ADMIN_EMAIL": "agnes-admins@example.com",
            "AGNES_GROUP_EVERYONE_EMAIL": "all@example.com",
        }

    @pytest.fixture
    def provider(self, environ):
        return FakeProvider(now=lambda: None, issuer="https://accounts.google.com", claims={"hd": "example.com"})

    def test_only_accounts_that_the_organisation_hosts_come_in(self, house, provider):
        provider.google_groups = [{}]
        assert me(house, sign_on(house, provider, "google"))["email"] == "mira@example.com"
        for claims in ({"hd": None}, {"hd": "other.example"}, {"hd": "example.com", "email": "mira@other.example"}):
            provider.claims = claims
            assert error_of(sign_on(house, provider, "google")) == "domain_not_allowed"

    def test_groups_come_from_the_workspace_and_empty_is_not_failed(self, house, admin, provider):
        key = RSAKey.generate_key(2048).as_pem(private=True).decode()
        account = {"client_email": "agnes@project.iam.gserviceaccount.com", "private_key": key}
        wiring.secrets().put("google_service_account", Secret(json.dumps(account)))
        provider.google_groups = [
            {"groups": [{"email": "Finance@example.com"}, {"email": "all@example.com"}], "nextPageToken": "2"},
            {"groups": [{"email": "agnes-admins@example.com"}]},
        ]
        answer = sign_on(house, provider, "google")
        assert groups(house, answer) == {"Everyone", "finance@example.com", "Admin"}
        provider.google_groups = ProviderUnreachable("Google does not answer")
        assert groups(house, sign_on(house, provider, "google")) == {"Everyone", "finance@example.com", "Admin"}
        provider.google_groups = [{"groups": "many"}]
        assert groups(house, sign_on(house, provider, "google")) == {"Everyone", "finance@example.com", "Admin"}
        provider.google_groups = [{"kind": "admin#directory#groups"}]
        assert groups(house, sign_on(house, provider, "google")) == {"Everyone"}

    def test_a_service_accounts_key_that_cannot_be_read_has_failed(self, house, provider):
        provider.google_groups = [{"groups": [{"email": "finance@example.com"}]}]
        wiring.secrets().put("google_service_account", Secret("{}"))
        assert groups(house, sign_on(house, provider, "google")) == {"Everyone"}


def test_what_is_not_set_up_is_said(house, admin):
    assert error_of(house.get("/auth/google/login")) == "google_not_configured"
    assert error_of(house.get("/auth/google/callback?code=1&state=2")) == "google_not_configured"
