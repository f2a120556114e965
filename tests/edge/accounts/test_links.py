"""Invitations, resets and sign-in links, with a real SMTP server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.builders.house import House
from tests.builders.mail_server import MailServer, link_in, text_of
from tests.builders.people import PASSWORD, add_person, audit, seed_admin, sign_in

NEW = "a-quite-different-phrase-4"


@pytest.fixture
def mail():
    with MailServer() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, mail: MailServer):
    """A house that sends mail, and its admin."""
    with House(tmp_path, environ=mail.environ()) as house:
        yield house, seed_admin(house)
        house.state.close()


def deliver(house: House) -> None:
    """Run the queue's consumer over what waits."""
    queue = house.wiring.queue
    consumer = __import__("functions.accounts.queue_mail.app", fromlist=["app"]).app.pure_lambda_functions[0].func
    for delivery in queue.receive("accounts-mail", visibility_seconds=60, max_attempts=3, at_most=10):
        answer = consumer({"Records": [{"messageId": delivery.id, "body": delivery.body}]}, None)
        assert answer == {"batchItemFailures": []}, json.dumps(answer)
        queue.acknowledge(delivery)


def use(house: House, link: str, password: str = NEW):
    path, _, token = link.partition("?token=")
    return house.post(path, form={"token": token, "password": password})


def cookie_of(answer) -> str:
    return next(line.partition(";")[0] for line in answer.cookies if line.startswith("access_token="))


def test_an_invitation_by_mail_becomes_a_password(office, mail):
    house, admin = office
    made = house.post("/admin/users", token=admin.token, form={"action": "create", "email": "eve@example.com"})
    assert made.status == 303
    [message] = mail.messages
    assert (message["To"], message["From"]) == ("eve@example.com", "Agnes <agnes@example.com>")
    assert "invites you to Agnes" in message["Subject"]
    link = link_in(message)
    for _ in range(3):  # a scanner of mail opens it, and uses nothing up
        assert "Welcome to Agnes" in house.get(link).text
    weak = use(house, link, "short")
    assert weak.status == 400
    assert "A password has 12 to 1024 characters." in weak.text
    done = use(house, link)
    assert done.status == 303
    assert house.get("/api/me", cookie=cookie_of(done)).json()["email"] == "eve@example.com"
    assert sign_in(house, "eve@example.com", NEW).email == "eve@example.com"
    assert house.get(link).status == 404
    assert use(house, link).status == 404
    assert "user.set_own_password" in [line[0] for line in audit(house)]


def test_who_forgot_gets_a_link_and_a_stranger_the_same_answer(office, mail):
    house, admin = office
    bob = add_person(house, admin, "bob@example.com")
    answers = [
        house.post("/auth/password/reset", form={"action": "reset", "email": email})
        for email in ("BOB@example.com", "nobody@example.com")
    ]
    assert {(a.status, a.headers["location"]) for a in answers} == {(303, "/login")}
    assert answers[0].cookies == answers[1].cookies
    assert mail.messages == []
    deliver(house)
    [message] = mail.messages
    assert message["To"] == "bob@example.com"
    done = use(house, link_in(message))
    assert done.status == 303
    assert house.get("/api/me", token=bob.token).status == 401  # other sign-ins end
    assert house.post("/auth/token", json_body={"email": "bob@example.com", "password": PASSWORD}).status == 401
    assert sign_in(house, "bob@example.com", NEW).id == bob.id


def test_a_sign_in_link_signs_in_once_and_sets_no_password(office, mail):
    house, admin = office
    add_person(house, admin, "bob@example.com")
    house.post("/auth/password/reset", form={"action": "sign_in", "email": "bob@example.com"})
    deliver(house)
    link = link_in(mail.messages[0])
    path, _, token = link.partition("?token=")
    assert house.post("/auth/password/set", form={"token": token, "password": NEW}).status == 404
    assert "bob@example.com" in house.get(link).text
    done = house.post(path, form={"token": token})
    assert house.get("/api/me", cookie=cookie_of(done)).json()["email"] == "bob@example.com"
    assert house.post(path, form={"token": token}).status == 404
    assert sign_in(house, "bob@example.com").email == "bob@example.com"


def test_tokens_that_still_work_are_named_and_ended_in_one_step(office, mail):
    house, admin = office
    bob = add_person(house, admin, "bob@example.com")
    tokens = [
        house.post("/auth/tokens", token=bob.token, json_body={"name": name}).json()["token"] for name in ("a", "b")
    ]
    house.post(f"/api/users/{bob.id}/reset-password", token=admin.token)
    done = use(house, link_in(mail.messages[0]))
    assert done.headers["location"] == "/me/profile"
    cookies = "; ".join(line.partition(";")[0] for line in done.cookies)
    page = house.get("/me/profile", cookie=cookies).text
    assert "2 access tokens still work: revoke what others may know." in page
    assert "Revoke all 2 tokens" in page
    ended = house.post("/me/profile", cookie=cookie_of(done), form={"action": "revoke_all_tokens"})
    assert ended.status == 303
    assert {house.get("/api/me", token=token).status for token in tokens} == {401}


def test_links_end(office, mail):
    house, admin = office
    bob = add_person(house, admin, "bob@example.com")
    first, second = (house.post(f"/api/users/{bob.id}/reset-password", token=admin.token).json() for _ in range(2))
    assert first["email_sent"] is True
    links = [re.sub(r"^http://[^/]+", "", made["reset_url"]) for made in (first, second)]
    assert use(house, links[1]).status == 303
    assert use(house, links[0]).status == 404  # one that was used ends the others
    third = link_in([house.post(f"/api/users/{bob.id}/reset-password", token=admin.token), mail.messages[-1]][1])
    house.clock.sleep(25 * 3600)
    assert house.get(third).status == 404
    admin = sign_in(house, admin.email)
    house.post(f"/api/users/{bob.id}/reset-password", token=admin.token)
    house.post(f"/api/users/{bob.id}/deactivate", token=admin.token)
    assert house.get(link_in(mail.messages[-1])).status == 404


def test_nobody_is_flooded_with_mail(office, mail):
    house, admin = office
    add_person(house, admin, "bob@example.com")
    for _ in range(5):
        assert house.post("/auth/password/reset", form={"action": "reset", "email": "bob@example.com"}).status == 303
    assert house.post("/auth/password/reset", form={"action": "reset", "email": "bob@example.com"}).status == 429
    deliver(house)
    assert len(mail.messages) == 3


def test_the_api_invites_too(office, mail):
    house, admin = office
    wish = {"email": "eve@example.com", "name": "Eve", "send_invite": True}
    made = house.post("/api/users", token=admin.token, json_body=wish).json()
    assert made["invite_email_sent"] is True
    assert made["invite_url"].endswith(link_in(mail.messages[0]))
    plain = house.post("/api/users", token=admin.token, json_body={"email": "kim@example.com"}).json()
    assert (plain["invite_url"], plain["invite_email_sent"]) == (None, None)


def test_without_mail_the_admin_hands_the_link_over(house, admin):
    made = house.post("/admin/users", token=admin.token, form={"action": "create", "email": "eve@example.com"})
    page = made.headers["location"]
    shown = house.post(page, token=admin.token, form={"action": "link"})
    assert shown.status == 200
    link = re.search(r"http://agnes\.test(/auth/password/set\?token=agl_[\w-]+)", shown.text)[1]
    assert "agl_" not in house.get(page, token=admin.token).text
    assert use(house, link).status == 303
    asked = house.get("/auth/password/reset")
    assert "This installation sends no mail." in asked.text


def test_a_mail_server_that_refuses_costs_the_mail_and_nothing_else(tmp_path: Path):
    with MailServer(refuses=True) as server, House(tmp_path, environ=server.environ()) as house:
        admin = seed_admin(house)
        made = house.post("/api/users", token=admin.token, json_body={"email": "eve@example.com", "send_invite": True})
        assert (made.status, made.json()["invite_email_sent"]) == (201, False)
        house.post("/auth/password/reset", form={"action": "reset", "email": admin.email})
        queue = house.wiring.queue
        [delivery] = queue.receive("accounts-mail", visibility_seconds=60, max_attempts=3)
        consumer = __import__("functions.accounts.queue_mail.app", fromlist=["app"]).app.pure_lambda_functions[0].func
        answer = consumer({"Records": [{"messageId": delivery.id, "body": delivery.body}]}, None)
        assert answer["batchItemFailures"]  # it comes again
        house.state.close()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_signing_in_at_the_mail_server(tmp_path: Path):
    more = {"SMTP_USER": "agnes", "SMTP_PASSWORD": "mail-secret"}
    with MailServer(password="mail-secret") as server, House(tmp_path, environ=server.environ(**more)) as house:
        admin = seed_admin(house)
        house.post("/api/users", token=admin.token, json_body={"email": "eve@example.com", "send_invite": True})
        assert "Choose a password" in text_of(server.messages[0])
        house.state.close()


def test_no_other_site_asks(house, admin):
    form = {"action": "reset", "email": admin.email}
    answer = house.post("/auth/password/reset", form=form, headers={"sec-fetch-site": "cross-site"})
    assert answer.status == 403
