"""Sign-ins: begun without a commit, ended at once, listed, and those that the release before began."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta

import pytest

from agnes.accounts import service, sign_ins, signing_in
from agnes.accounts.rules import hash_of
from agnes.kernel import sealed
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING, Blob, OutcomeUnknown, Secret
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import StateFiles
from tests.builders.house import House
from tests.builders.people import ADMIN_EMAIL, PASSWORD, Person, add_person, seed_admin, sign_in

NEW = "a-quite-different-phrase-4"


@pytest.fixture
def bob(house: House, admin: Person) -> Person:
    return add_person(house, admin, "bob@example.com", name="Bob")


def code(house: House, token: str) -> str:
    """The error with which a credential is refused; `ok` if it is not."""
    answer = house.get("/api/me", token=token)
    return "ok" if answer.status == 200 else answer.json()["code"]


def post(house: House, who: Person, **form: str) -> int:
    return house.post("/me/profile", cookie=who.cookie, form=form).status


def listed(house: House, user_id: str) -> list[str]:
    with house.state.read("people") as db:
        return [one.id for one in sign_ins.live(db, house.store, user_id, house.clock.now())]


def id_of(token: str) -> str:
    return token.split(".")[1]


def before(house: House, user_id: str) -> Person:
    """A sign-in as the release before began it."""
    token, now = Secret("ags_" + "o" * 42 + str(len(listed(house, user_id)))), house.clock.now()
    row = [new_ulid(now), user_id, hash_of(token), now, now + timedelta(hours=24), "192.0.2.99"]
    sql = """INSERT INTO people.sessions (id, user_id, token_hash, created_at, expires_at, client_ip)
        VALUES (?, ?, ?, ?, ?, ?)"""
    house.state.commit("people", lambda tx: tx.db.execute(sql, row))
    return Person(user_id, "", token.value)


def test_signing_in_commits_nothing(house, admin, bob):
    generation = house.state.generation("people")
    for _ in range(3):
        assert code(house, sign_in(house, bob.email).token) == "ok"
    assert house.state.generation("people") == generation
    assert len(listed(house, bob.id)) == 4


def test_each_way_to_end_a_sign_in(house, admin, bob):
    def elsewhere() -> str:
        return sign_in(house, bob.email, password).token

    password = PASSWORD
    other = elsewhere()
    assert house.post("/auth/logout", token=other).status == 204
    assert (code(house, other), code(house, bob.token)) == ("session_revoked", "ok")

    other = elsewhere()
    assert post(house, bob, action="sign_out_elsewhere") == 303
    assert (code(house, other), code(house, bob.token)) == ("session_revoked", "ok")

    other = elsewhere()
    assert post(house, bob, action="password", current=PASSWORD, new=NEW) == 303
    password = NEW
    assert (code(house, other), code(house, bob.token)) == ("session_revoked", "ok")

    other = elsewhere()
    assert post(house, Person(bob.id, bob.email, other), action="sign_out_elsewhere") == 303
    assert (code(house, other), code(house, bob.token)) == ("ok", "session_revoked"), "only who asked goes on"

    assert (
        house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body={"password": PASSWORD}).status
        == 200
    )
    assert code(house, other) == "session_revoked"
    password = PASSWORD

    other = elsewhere()
    path = f"/admin/users/{bob.id}"
    assert house.post(path, cookie=admin.cookie, form={"action": "sign_out"}).status == 303
    assert (code(house, other), code(house, admin.token)) == ("session_revoked", "ok")

    other = elsewhere()
    assert house.post(f"/api/users/{bob.id}/deactivate", token=admin.token).status == 200
    assert code(house, other) in ("session_revoked", "account_deactivated")
    assert house.post(f"/api/users/{bob.id}/activate", token=admin.token).status == 200
    assert code(house, other) == "session_revoked", "being let in again revives nothing"

    other = elsewhere()
    assert house.delete(f"/api/users/{bob.id}", token=admin.token).status in (200, 204)
    assert code(house, other) == "token_unknown"


def test_an_admin_who_signs_themselves_out_everywhere_stays_here(house, admin):
    other = sign_in(house, ADMIN_EMAIL)
    form = {"action": "sign_out"}
    assert house.post(f"/admin/users/{admin.id}", cookie=admin.cookie, form=form).status == 303
    assert (code(house, other.token), code(house, admin.token)) == ("session_revoked", "ok")


def test_one_sign_in_is_ended_from_the_list(house, admin, bob):
    other = sign_in(house, bob.email)
    page = house.get("/me/profile", cookie=bob.cookie).text
    assert id_of(other.token) in page
    assert f'value="{id_of(bob.token)}"' not in page, "this one is ended by signing out"
    assert "192.0.2.7" in page
    assert post(house, bob, action="sign_out_one", sign_in_id=id_of(other.token)) == 303
    assert (code(house, other.token), code(house, bob.token)) == ("session_revoked", "ok")
    assert listed(house, bob.id) == [id_of(bob.token)]


def test_nobody_ends_the_sign_in_of_somebody_else(house, admin, bob):
    assert post(house, bob, action="sign_out_one", sign_in_id=id_of(admin.token)) == 303
    assert post(house, bob, action="sign_out_one", sign_in_id="../../x") == 404
    assert code(house, admin.token) == "ok"


def test_admins_see_where_somebody_is_signed_in(house, admin, bob):
    page = house.get(f"/admin/users/{bob.id}", cookie=admin.cookie).text
    assert "Sign out everywhere" in page
    assert page.count("Signed in 20") == 1
    house.post("/auth/logout", token=bob.token)
    assert "Not signed in anywhere." in house.get(f"/admin/users/{bob.id}", cookie=admin.cookie).text
    with house.state.read("people") as db:
        assert set(service.last_sign_ins(db, house.store, [admin.id, bob.id])) == {admin.id, bob.id}


@pytest.mark.parametrize("way", ["out", "elsewhere", "password", "one", "deactivated"])
def test_sign_ins_of_the_release_before_work_and_end_like_the_others(house, admin, bob, way):
    old = before(house, bob.id)
    assert code(house, old.token) == "ok"
    [old_id] = set(listed(house, bob.id)) - {id_of(bob.token)}
    with house.state.read("people") as db:
        assert bob.id in service.last_sign_ins(db, house.store, [bob.id])
    if way == "out":
        assert house.post("/auth/logout", token=old.token).status == 204
    elif way == "elsewhere":
        assert post(house, bob, action="sign_out_elsewhere") == 303
    elif way == "password":
        assert post(house, bob, action="password", current=PASSWORD, new=NEW) == 303
    elif way == "one":
        assert post(house, bob, action="sign_out_one", sign_in_id=old_id) == 303
    else:
        assert house.post(f"/api/users/{bob.id}/deactivate", token=admin.token).status == 200
        assert code(house, old.token) in ("session_revoked", "account_deactivated")
        return
    assert (code(house, old.token), code(house, bob.token)) == ("session_revoked", "ok")
    assert listed(house, bob.id) == [id_of(bob.token)]


def test_a_sign_in_of_the_release_before_ends_the_others_and_goes_on(house, admin, bob):
    old = before(house, bob.id)
    assert post(house, old, action="sign_out_elsewhere") == 303
    assert (code(house, old.token), code(house, bob.token)) == ("ok", "session_revoked")
    house.clock.sleep(timedelta(hours=24).total_seconds())
    assert code(house, old.token) == "session_expired"


def test_what_expired_leaves_no_row(house, admin, bob):
    before(house, bob.id)
    house.post("/auth/logout", token=bob.token)
    house.clock.sleep(timedelta(days=2, seconds=1).total_seconds())
    house.post("/auth/logout", token=sign_in(house, bob.email).token)
    with house.state.read("people") as db:
        assert db.execute("SELECT count(*) FROM people.ended_sign_ins").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM people.sessions").fetchone() == (0,)


def test_a_forged_credential_opens_nothing(house, admin, bob):
    prefix, sign_in_id, secret = bob.token.split(".")
    for forged in (
        f"{prefix}.{sign_in_id}.{'A' * 43}",
        f"{prefix}.{id_of(admin.token)}.{secret}",
        f"ags_{admin.id}.{sign_in_id}.{secret}",
        f"ags_{admin.id}.{id_of(admin.token)}.{secret}",
        f"{prefix}.{sign_in_id}.{secret}x",
        f"ags_{'.' * 26}.{'/' * 26}.{secret}",
        f"ags_{bob.id.upper()}.{sign_in_id}.{secret}",
    ):
        assert code(house, forged) == "token_unknown", forged
    assert code(house, bob.token) == "ok"


@pytest.mark.parametrize(
    "harm", ["absent", "empty", "truncated", "one bit", "another's", "other JSON", "not sealed", "for ever"]
)
def test_a_damaged_object_signs_nobody_in_and_stops_nobody(tmp_path, harm):
    with House(tmp_path, store=MemoryStore()) as house:
        admin = seed_admin(house)
        bob = add_person(house, admin, "bob@example.com")
        key = f"sign-ins/{bob.id}/{id_of(bob.token)}.json"
        found = house.store.read(key)
        assert isinstance(found, Blob)
        body = found.body
        other = next(entry.key for entry in house.store.list(f"sign-ins/{admin.id}/"))
        further = json.loads(sealed.opened(key, body)) | {"expires_at": "3026-11-23T09:00:00+00:00"}
        harmed = {
            "empty": b"",
            "truncated": body[:-9],
            "one bit": bytes([*body[:30], body[30] ^ 1, *body[31:]]),
            "another's": house.store.read(other).body,
            "other JSON": b'[{"at": 1}]',
            "not sealed": json.dumps(further).encode(),
            "for ever": sealed.seal(key, json.dumps(further).encode()),
        }
        if harm == "absent":
            house.store.remove([key])
        else:
            house.store.write(key, harmed[harm], expect=ANYTHING)
        assert code(house, bob.token) == "token_unknown"
        assert code(house, admin.token) == "ok"
        assert house.get(f"/admin/users/{bob.id}", cookie=admin.cookie).status == 200
        assert house.get("/admin/users", cookie=admin.cookie).status == 200
        assert code(house, sign_in(house, bob.email).token) == "ok"
        house.state.close()


class Deaf(MemoryStore):
    """Takes what it is sent below a prefix, and loses the answer to the first; or takes nothing."""

    prefix = ""
    takes = True
    lost = 0

    def write(self, key, body, **kwargs):
        if self.prefix and key.startswith(self.prefix) and (self.lost == 0 or not self.takes):
            self.lost += 1
            if self.takes:
                super().write(key, body, **kwargs)
            raise OutcomeUnknown(key, "the answer was lost")
        return super().write(key, body, **kwargs)


def test_a_lost_answer_signs_in_once(tmp_path):
    with House(tmp_path, store=Deaf()) as house:
        admin = seed_admin(house)
        house.store.prefix = "sign-ins/"
        again = sign_in(house, ADMIN_EMAIL)
        assert house.store.lost == 1
        assert code(house, again.token) == "ok"
        assert len(listed(house, admin.id)) == 2
        house.state.close()


@pytest.mark.parametrize(("prefix", "status"), [("sign-ins/", 503), ("audit/login_succeeded/", 503)])
def test_without_a_place_to_write_it_nobody_is_signed_in(tmp_path, prefix, status):
    with House(tmp_path, store=Deaf()) as house:
        seed_admin(house)
        house.store.prefix, house.store.takes = prefix, False
        answer = house.post("/auth/token", json_body={"email": ADMIN_EMAIL, "password": PASSWORD})
        assert answer.status == status
        house.state.close()


def test_what_ended_all_of_them_counts_for_one_that_is_being_begun(tmp_path, house, admin, bob):
    """The password is known from before, the reset arrives before the sign-in is written."""
    with house.state.read("people") as db:
        epoch = sign_ins.epoch_of(db, bob.id)
    house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body={"password": NEW})
    begun = sign_ins.start(
        house.store, bob.id, bob.email, is_admin=False, epoch=epoch, method="password", now=house.clock.now()
    )
    assert code(house, begun.token.value) == "session_revoked"


def test_a_password_that_was_set_elsewhere_counts_at_once(tmp_path, house, admin, bob):
    """Where this process has not looked for a second, too."""
    files = StateFiles(house.store, clock=house.clock, cache_dir=tmp_path / "stale", max_stale_seconds=60)
    with closing(files) as stale:
        with stale.read("people"):
            pass
        body = {"password": NEW}
        assert house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body=body).status == 200
        now = house.clock.now()
        begun = signing_in.sign_in(stale, house.store, email=bob.email, password=Secret(NEW), now=now)
        assert service.identify(stale, house.store, begun.token.value, now=now).user_id == bob.id
        assert service.identify(house.state, house.store, begun.token.value, now=now).user_id == bob.id


def test_counters_that_cannot_be_taken_back_keep_nobody_out(tmp_path):
    class Full(MemoryStore):
        is_full = False

        def write(self, key, body, **kwargs):
            if self.is_full and key.startswith("limits/") and b'"attempts": []' in bytes(body):
                raise UnavailableError("the store is full")
            return super().write(key, body, **kwargs)

    with House(tmp_path, store=Full()) as house:
        seed_admin(house)
        house.store.is_full = True
        assert sign_in(house, ADMIN_EMAIL)
        house.state.close()
