"""Settings that admins edit in the browser: what counts, what is refused, and what nobody is shown."""

from __future__ import annotations

import re

import pytest

from tests.builders.house import House
from tests.builders.people import ADMIN_EMAIL, PASSWORD, add_person, seed_admin

PATH = "/api/admin/server-config"
KEY = "sk-ant-0123456789-of-the-test"


@pytest.fixture
def configured(tmp_path):
    with House(tmp_path, environ={"SMTP_PORT": "2525"}) as house:
        yield house, seed_admin(house)


def save(house, admin, sections, *, confirm=False):
    body = {"sections": sections, "confirm_danger": confirm}
    return house.post(PATH, token=admin.token, json_body=body)


def audited(house):
    """Every line of a setting: resource, value before and after."""
    with house.state.read("people") as db:
        return db.execute(
            """SELECT resource, before ->> 'value', params ->> 'value' FROM people.audit
            WHERE action = 'instance_config.update' ORDER BY id"""
        ).fetchall()


def fields(house, admin):
    found = house.get(PATH, token=admin.token).json()
    return {field["path"]: field for field in found["known_fields"]}


def test_what_is_saved_counts_at_once_and_each_field_is_audited(configured):
    house, admin = configured
    done = save(
        house, admin, {"instance": {"brand": "Atlas", "home_route": "/me/connect"}, "theme": {"accent": "#0A6B4F"}}
    )
    assert done.json() == {
        "status": "ok",
        "restart_required": False,
        "sections_updated": ["instance", "theme"],
        "diff_count": 3,
    }
    page = house.get("/login").text
    assert "<title>Sign in · Atlas</title>" in page
    [theme] = re.findall(r'href="(/static/css/theme\.css[^"]*)"', page)
    assert "--accent: #0a6b4f" in house.get(theme).text
    signed_in = house.post("/auth/password/login/web", form={"email": ADMIN_EMAIL, "password": PASSWORD, "next": ""})
    assert signed_in.headers["location"] == "/me/connect"
    assert set(audited(house)) == {
        ("config:instance.brand", "Agnes", "Atlas"),
        ("config:instance.home_route", "/marketplace", "/me/connect"),
        ("config:theme.accent", "", "#0A6B4F"),
    }

    assert save(house, admin, {"instance": {"brand": "Atlas"}}).json()["diff_count"] == 0
    assert save(house, admin, {"instance": {"brand": None}}).json()["diff_count"] == 1
    assert "<title>Sign in · Agnes</title>" in house.get("/login").text


def test_a_secret_is_kept_with_the_secrets_and_shown_to_nobody(configured):
    house, admin = configured
    assert fields(house, admin)["ai.api_key"]["value"] == "<empty>"
    assert save(house, admin, {"ai": {"api_key": KEY}}).status == 200
    assert house.wiring.secrets.get("anthropic").value == KEY
    shown = house.get(PATH, token=admin.token).text + house.get("/admin/server-config", token=admin.token).text
    assert KEY not in shown
    assert audited(house) == [("config:ai.api_key", "<empty>", "***")]
    state = fields(house, admin)["ai.api_key"]
    assert (state["value"], state["source"], state["updated_by"]) == ("***", "admins", ADMIN_EMAIL)
    for placeholder in ("***", "<empty>"):
        assert save(house, admin, {"ai": {"api_key": placeholder}}).json()["diff_count"] == 0
    assert house.wiring.secrets.get("anthropic").value == KEY
    assert save(house, admin, {"ai": {"api_key": None}}).json()["diff_count"] == 1
    assert house.wiring.secrets.get("anthropic") is None
    assert save(house, admin, {"ai": {"api_key": None}}).json()["diff_count"] == 0


def test_a_stored_secret_is_not_sent_to_another_address(configured):
    """Else an admin could read a key that they may only replace."""
    house, admin = configured
    save(house, admin, {"ai": {"api_key": KEY}})
    refused = save(house, admin, {"ai": {"base_url": "https://elsewhere.example"}})
    assert refused.status == 422
    assert "needs the secret (API key) again" in refused.json()["message"]
    with_key = {"ai": {"base_url": "https://elsewhere.example", "api_key": "sk-ant-another"}}
    assert save(house, admin, with_key).status == 200
    assert house.wiring.config.anthropic_base_url == "https://elsewhere.example"
    for private in (
        "http://gateway.example",
        "https://127.0.0.1:9",
        "https://[::1]",
        "https://169.254.169.254",
        "https://a@b.example",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.0.0.1",
        "https://0177.0.0.1",
        "https://localhost.",
        "https://\u2460\u2461\u2466.0.0.1",
        "https://gateway",
        "https://[::1",
        "https://[]",
        "https://a.example:99999999",
    ):
        assert save(house, admin, {"ai": {"base_url": private, "api_key": "x"}}).status == 422, private


def test_the_mailer_is_made_again_when_its_settings_change(configured):
    house, admin = configured
    assert not house.wiring.mailer.is_on
    mail = {"smtp_host": "mail.example.com", "from_address": "agnes@example.com", "smtp_user": "agnes"}
    assert save(house, admin, {"email": mail | {"smtp_password": "one"}}).status == 200
    first = house.wiring.mailer
    assert first.is_on
    assert house.wiring.mailer is first
    add_person(house, admin, "bob@example.com")
    assert house.wiring.mailer is first, "other changes of the state file are none of it"
    house.clock.sleep(1)
    save(house, admin, {"email": {"smtp_password": "two"}})
    assert house.wiring.mailer is not first


@pytest.mark.parametrize(
    ("sections", "status", "reason"),
    [
        pytest.param({"server": {"port": 1}}, 400, "set AGNES_HOST", id="server"),
        pytest.param({"jira": {"url": "x"}}, 400, "there is no section 'jira'", id="unknown"),
        pytest.param({"auth": {"oidc": {"name": "Okta"}}}, 400, "was not confirmed", id="unconfirmed"),
        pytest.param({"guardrails": {"review": "off"}}, 400, "without anybody reading it", id="review"),
        pytest.param({"instance": {"url": "https://x.test"}}, 422, "set SERVER_URL", id="address"),
        pytest.param({"instance": {"colour": "red"}}, 422, "instance.colour: is not a setting", id="misspelt"),
        pytest.param({"instance": {"brand": "x" * 41}}, 422, "instance.brand: must have 40 characters", id="long"),
        pytest.param({"instance": {"name": ["a", 1]}}, 422, "must be a text", id="list"),
        pytest.param({"instance": {"name": "${HOME}"}}, 422, "refer to the environment", id="reference"),
        pytest.param(
            {"instance": {"home_route": "//evil.example"}}, 422, "instance.home_route: must be a path", id="home"
        ),
        pytest.param({"theme": {"accent": "#ffff00"}}, 422, "theme.accent: must differ more", id="contrast"),
        pytest.param({"email": {"smtp_host": "mail.test"}}, 422, "email.from_address: needed", id="pair"),
        pytest.param({"email": {"smtp_port": 25}}, 422, "is set by the environment (SMTP_PORT)", id="locked"),
        pytest.param({"email": {"use_tls": "ssl3"}}, 422, "email.use_tls: must be one of", id="choice"),
        pytest.param({}, 422, "sections", id="empty"),
        pytest.param({"instance": "x"}, 422, "sections", id="no-object"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_saved(configured, sections, status, reason):
    house, admin = configured
    refused = save(
        house, admin, {**sections, **({"theme": {"accent": "#0a6b4f"}} if sections and "theme" not in sections else {})}
    )
    assert refused.status == status, refused.text
    assert reason in refused.json()["message"]
    assert house.wiring.config == house.wiring.settings


def test_single_sign_on_is_set_up_here_and_fails_closed(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        alone = save(house, admin, {"auth": {"google": {"client_id": "1.apps"}}}, confirm=True)
        assert "auth.email.allowed_domains: needed" in alone.json()["message"]
        both = {"auth": {"google": {"client_id": "1.apps", "client_secret": "s"}, "allowed_domain": "Acme.example"}}
        assert save(house, admin, both, confirm=True).json()["diff_count"] == 3
        assert "Sign in with Google" in house.get("/login").text
        assert house.wiring.provider("google").allowed_domains == {"acme.example"}
        data = house.store
    # The environment changes so that what admins set no longer fits: nobody gets in by a rule that is half of one.
    with House(tmp_path, store=data, environ={"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "a"}) as house:
        house.state.commit(
            "people",
            lambda tx: tx.db.execute(
                "UPDATE people.configuration SET value = '' WHERE path = 'auth.email.allowed_domains'"
            ),
        )
        assert house.wiring.provider_labels() == {}
        assert "ALLOWED_DOMAINS" in house.get(PATH, token=admin.token).json()["not_in_force"]["auth"]
        page = house.get("/admin/server-config", token=admin.token).text
        assert "What was set here does not count" in page


def test_a_variable_wins_over_what_admins_set(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        save(house, admin, {"instance": {"brand": "Atlas"}})
        store = house.store
    with House(tmp_path, store=store, environ={"AGNES_INSTANCE_BRAND": "Borealis"}) as house:
        assert "<title>Sign in · Borealis</title>" in house.get("/login").text
        state = fields(house, admin)["instance.brand"]
        assert (state["value"], state["source"]) == ("Borealis", "environment")
        page = house.get("/admin/server-config", token=admin.token).text
        assert "Set by the environment (AGNES_INSTANCE_BRAND), which wins." in page


def test_a_stack_names_what_its_parameters_hold(tmp_path):
    with House(tmp_path, environ={"AGNES_SET_BY_DEPLOYMENT": ",,ALLOWED_DOMAINS,,OIDC_ISSUER"}) as house:
        admin = seed_admin(house)
        assert fields(house, admin)["auth.oidc.issuer"]["source"] == "environment"
        done = save(house, admin, {"auth": {"google": {"client_id": "1.apps"}}}, confirm=True)
        assert done.status == 200, "ALLOWED_DOMAINS has a value that only the functions of signing in have"
        assert save(house, admin, {"auth": {"oidc": {"issuer": "https://x.example"}}}, confirm=True).status == 422


def test_the_page_saves_a_section_and_keeps_what_was_typed(configured):
    house, admin = configured
    form = {"action": "instance", "instance__brand": "Atlas", "instance__home_route": "nowhere", "instance__name": ""}
    again = house.post("/admin/server-config", token=admin.token, form=form)
    assert again.status == 422
    assert 'value="nowhere"' in again.text
    assert "must be a path of this installation" in again.text.lower()
    done = house.post("/admin/server-config", token=admin.token, form=form | {"instance__home_route": "/me/connect"})
    assert (done.status, done.headers["location"]) == (303, "/admin/server-config#instance")
    page = house.get("/admin/server-config", token=admin.token).text
    assert 'value="Atlas"' in page
    assert f"Set by {ADMIN_EMAIL}" in page

    unsure = house.post("/admin/server-config", token=admin.token, form={"action": "auth", "auth__oidc__name": "Okta"})
    assert "was not confirmed" in unsure.text
    key = {"action": "ai", "ai__api_key": KEY, "ai__base_url": "", "ai__model": "haiku"}
    assert house.post("/admin/server-config", token=admin.token, form=key).status == 303
    kept = {"action": "ai", "ai__api_key": "", "ai__base_url": "", "ai__model": "haiku"}
    assert house.post("/admin/server-config", token=admin.token, form=kept).status == 303
    assert house.wiring.secrets.get("anthropic").value == KEY
    house.post("/admin/server-config", token=admin.token, form=kept | {"remove_secrets": "ai.api_key"})
    assert house.wiring.secrets.get("anthropic") is None


def test_configure_takes_the_first_settings(configured):
    house, admin = configured
    done = house.post(
        "/api/admin/configure",
        token=admin.token,
        json_body={"instance_name": "Acme", "allowed_domain": "acme.example", "data_source": "local"},
    )
    assert (done.json()["sections_updated"], done.json()["diff_count"]) == (["auth", "instance"], 2)
    elsewhere = house.post("/api/admin/configure", token=admin.token, json_body={"data_source": "keboola"})
    assert elsewhere.status == 400
    assert "POST /api/admin/tables/sources" in elsewhere.json()["hint"]


def test_only_admins_see_and_change_it(configured):
    house, admin = configured
    bob = add_person(house, admin, "bob@example.com")
    assert house.get(PATH, token=bob.token).status == 403
    assert save(house, bob, {"instance": {"brand": "x"}}).status == 403
    assert house.get("/admin/server-config", token=bob.token).status == 403
    assert house.post("/api/admin/configure", token=bob.token, json_body={}).status == 403
