"""Registering, changing and removing tables and sources, over real state files."""

from __future__ import annotations

import pytest

from agnes.access import service as access
from agnes.kernel.errors import ConflictError, DeniedError, NotFoundError
from agnes.tables import granting, service, sources
from agnes.tables.model import (
    SourceCreate,
    SourceNotFound,
    SourceUpdate,
    TableCreate,
    TableInvalid,
    TableNotFound,
    TableUpdate,
)
from agnes.tables.service import SourceNotConfigured
from agnes.tables.sources import SourceInvalid
from tests.builders.people import seed_admin
from tests.builders.tables import ADA, BOB, WAREHOUSE, add_source, register


def audit(house):
    with house.state.read("tables") as db:
        return db.execute("SELECT action, resource, params FROM tables.audit ORDER BY rowid").fetchall()


def kept_secrets(house):
    path = house.wiring.settings.agnes_data_dir / "secrets.json"
    return path.read_text() if path.exists() else ""


def test_a_table_keeps_every_field(house):
    add_source(house)
    sent = {
        "name": "Web Orders",
        "description": "One row an order.",
        "folder": "Sales",
        "bucket": "public",
        "source_table": "orders",
        "sync_strategy": "incremental",
        "sync_schedule": "daily 05:00",
        "primary_key": ["id", "line"],
        "incremental_column": "changed_at",
        "incremental_window_days": 3,
        "max_history_days": 400,
    }
    made = service.register(house.state, ADA, TableCreate.model_validate(sent), clock=house.clock)
    with house.state.read("tables") as db:
        assert service.get_table(db, "web_orders") == made
        assert service.tables(db) == [made]
    assert (made.source_id, made.source_type, made.registered_by) == ("warehouse", "postgresql", ADA.email)
    assert {name: getattr(made, name) for name in sent if name != "primary_key"} == {
        name: value for name, value in sent.items() if name != "primary_key"
    }
    assert made.primary_key == ("id", "line")


def test_filters_come_back_as_sent(house):
    add_source(house)
    filters = [{"column": "n", "operator": "ge", "values": [1, 2.5, True, "{{today}}"]}]
    made = register(house, where_filters=filters)
    with house.state.read("tables") as db:
        assert service.get_table(db, made.id).where_filters == made.where_filters
    assert made.where_filters[0].values == (1, 2.5, True, "{{today}}")


def test_one_id_is_taken_once(house):
    add_source(house)
    register(house)
    with pytest.raises(ConflictError) as refused:
        register(house, "ORDERS")
    assert refused.value.code == "table_exists"
    assert register(house, "ORDERS", id="orders_2").name == "ORDERS"


def test_a_broken_rule_writes_nothing(house):
    add_source(house)
    with pytest.raises(TableInvalid) as refused:
        register(house, source_query="SELECT 1", sync_strategy="partitioned")
    assert len(refused.value.problems) == 2
    with house.state.read("tables") as db:
        assert service.tables(db) == []


def test_a_source_must_be_meant_clearly(house):
    with pytest.raises(SourceNotConfigured, match="there is no source"):
        register(house)
    add_source(house)
    add_source(house, "replica")
    add_source(house, "files", "files", None, location="https://example.com/*.csv")
    with pytest.raises(SourceNotConfigured, match="3 sources"):
        register(house)
    with pytest.raises(SourceNotConfigured, match="type keboola"):
        register(house, source_type="keboola")
    with pytest.raises(SourceNotConfigured, match="'nowhere'"):
        register(house, source="nowhere")
    with pytest.raises(SourceNotConfigured):
        register(house, source="replica", source_type="files")
    assert register(house, source_type="files").source_id == "files"
    assert register(house, "b", source="replica").source_id == "replica"


def test_precheck_says_what_registering_would_and_writes_nothing(house):
    add_source(house)
    register(house)
    with house.state.read("tables") as db:
        good = service.precheck(db, ADA, TableCreate(name="New", source_table="t"), clock=house.clock)
        bad = service.precheck(db, ADA, TableCreate(name="Orders", sync_schedule="x"), clock=house.clock)
    assert (good.id, good.source, good.problems) == ("new", "warehouse", ())
    assert [problem.split()[0] for problem in bad.problems] == ["source_table", "sync_schedule", "there"]
    assert len(audit(house)) == 2


def test_a_change_keeps_what_is_left_out(house):
    add_source(house)
    before = register(house, description="x", primary_key="id", sync_schedule="every 1h")
    after = service.update(
        house.state, ADA, "orders", TableUpdate.model_validate({"sync_schedule": None}), clock=house.clock
    )
    assert (after.sync_schedule, after.description, after.primary_key) == (None, "x", ("id",))
    assert after.registered_at == before.registered_at
    action, resource, params = audit(house)[-1]
    assert (action, resource, params) == ("table.update", "table:orders", '{"sync_schedule": null}')


def test_a_change_is_checked_as_a_registration_is(house):
    add_source(house)
    register(house)
    with pytest.raises(TableInvalid, match="partition_by"):
        service.update(house.state, ADA, "orders", TableUpdate(sync_strategy="partitioned"), clock=house.clock)
    with house.state.read("tables") as db:
        assert service.get_table(db, "orders").sync_strategy == "full_refresh"


def test_leaving_materialized_drops_the_sql(house):
    add_source(house)
    register(house, query_mode="materialized", source_query="SELECT 1 AS n")
    assert (
        service.update(house.state, ADA, "orders", TableUpdate(description="y"), clock=house.clock).source_query
        == "SELECT 1 AS n"
    )
    after = service.update(house.state, ADA, "orders", TableUpdate(query_mode="local"), clock=house.clock)
    assert after.source_query is None


def test_a_change_that_changes_nothing_is_not_told(house):
    add_source(house)
    register(house)
    service.update(house.state, ADA, "orders", TableUpdate(name="Orders"), clock=house.clock)
    assert [row[0] for row in audit(house)] == ["table_source.create", "table.register"]


def test_a_whole_table_that_is_materialized_can_be_changed(house):
    add_source(house)
    register(house, query_mode="materialized")
    after = service.update(house.state, ADA, "orders", TableUpdate(description="CRM"), clock=house.clock)
    assert (after.query_mode, after.source_query, after.description) == ("materialized", None, "CRM")


def test_removing_takes_the_grants_along(house):
    seed_admin(house)
    add_source(house)
    register(house)
    with house.state.read("people") as db:
        group = access.group_names(db)[0][0]
    granting.grant(house.state, ADA, group_id=group, table_id="orders", clock=house.clock)
    with pytest.raises(TableNotFound) as refused:
        granting.grant(house.state, ADA, group_id=group, table_id="order", clock=house.clock)
    assert refused.value.hint == "Did you mean orders?"
    service.set_column_notes(house.state, ADA, "orders", {"id": "of the shop"})
    service.remove(house.state, ADA, "orders", clock=house.clock)
    with house.state.read("people", "tables") as db:
        assert access.grants(db) == []
        assert db.execute("SELECT count(*) FROM tables.column_notes").fetchone() == (0,)
    with pytest.raises(TableNotFound):
        service.remove(house.state, ADA, "orders", clock=house.clock)


def test_who_was_granted_what(house):
    seed_admin(house)
    add_source(house)
    register(house)
    register(house, "Other")
    with house.state.read("people") as db:
        everyone = next(id_ for id_, name in access.group_names(db) if name == "Everyone")
    granting.grant(house.state, ADA, group_id=everyone, table_id="orders", clock=house.clock)
    bob = type(BOB)("u", "bob@example.com", "Bob", frozenset({everyone, "g-2"}))
    with house.state.read("people") as db:
        assert granting.granted(db, bob) == {"orders": frozenset({everyone})}
        assert granting.granted(db, BOB) == {}


def test_notes_of_columns_are_replaced(house):
    add_source(house)
    register(house)
    assert service.set_column_notes(house.state, ADA, "orders", {"id": "a", "b": ""}) == {"id": "a"}
    assert service.set_column_notes(house.state, ADA, "orders", {"b": "c"}) == {"b": "c"}
    with house.state.read("tables") as db:
        assert service.column_notes(db, "orders") == {"b": "c"}
    assert [row[0] for row in audit(house)][-2:] == ["table.columns", "table.columns"]


def test_only_admins_change_anything(house):
    add_source(house)
    register(house)
    for refused in (
        lambda: sources.add(
            house.state, BOB, SourceCreate(id="x", type="files"), secrets=house.wiring.secrets, clock=house.clock
        ),
        lambda: service.register(house.state, BOB, TableCreate(name="x"), clock=house.clock),
        lambda: service.update(house.state, BOB, "orders", TableUpdate(), clock=house.clock),
        lambda: service.remove(house.state, BOB, "orders", clock=house.clock),
        lambda: service.set_column_notes(house.state, BOB, "orders", {}),
        lambda: granting.grant(house.state, BOB, group_id="g", table_id="orders", clock=house.clock),
    ):
        with pytest.raises(DeniedError):
            refused()


def test_a_secret_is_in_no_answer_and_in_no_audit(house):
    made = add_source(house, secret="s3cr3t-word")
    assert made.has_secret
    assert "s3cr3t-word" in kept_secrets(house)
    assert "s3cr3t-word" not in str(audit(house)) + str(made)


def test_a_source_that_moves_does_not_take_its_secret_along(house):
    add_source(house, secret="s3cr3t-word")
    elsewhere = {"options": WAREHOUSE | {"host": "evil.example.com"}}
    given = {"secrets": house.wiring.secrets, "clock": house.clock}
    with pytest.raises(SourceInvalid, match="send its secret again"):
        sources.change(house.state, ADA, "warehouse", SourceUpdate.model_validate(elsewhere), **given)
    changed = SourceUpdate.model_validate(elsewhere | {"secret": "another"})
    assert sources.change(house.state, ADA, "warehouse", changed, **given).options["host"] == "evil.example.com"
    assert "s3cr3t-word" not in kept_secrets(house)
    assert "another" in kept_secrets(house)
    emptied = sources.change(house.state, ADA, "warehouse", SourceUpdate(secret=""), **given)
    assert not emptied.has_secret
    assert "another" not in kept_secrets(house)


@pytest.mark.parametrize(
    ("type_", "options", "problem"),
    [
        ("postgresql", {"host": "h", "database": "d"}, "needs the option user"),
        ("postgresql", WAREHOUSE | {"password": "x"}, "has no option password"),
        ("files", {"location": " "}, "is empty"),
        ("keboola", {"url": "https://connection.keboola.com"}, "cannot be collected by this version"),
        ("files", {"location": "a\nb"}, "one line"),
    ],
)
def test_options_of_a_source(house, type_, options, problem):
    with pytest.raises(SourceInvalid, match=problem):
        add_source(house, "x", type_, "word", **options)
    assert "word" not in kept_secrets(house)


def test_a_source_in_use_stays(house):
    add_source(house)
    register(house)
    with pytest.raises(ConflictError, match="orders"):
        sources.remove(house.state, ADA, "warehouse", secrets=house.wiring.secrets)
    service.remove(house.state, ADA, "orders", clock=house.clock)
    sources.remove(house.state, ADA, "warehouse", secrets=house.wiring.secrets)
    assert "hunter2" not in kept_secrets(house)
    with pytest.raises(SourceNotFound):
        sources.remove(house.state, ADA, "warehouse", secrets=house.wiring.secrets)
    add_source(house, "a")
    with pytest.raises(ConflictError, match="there is a source a"):
        add_source(house, "a")


def test_a_grant_of_a_table_by_the_api(house):
    admin = seed_admin(house)
    add_source(house)
    register(house)
    with house.state.read("people") as db:
        group = access.group_names(db)[0][0]
    sent = {"group_id": group, "resource_type": "table", "resource_id": "orders"}
    answer = house.post("/api/admin/grants", token=admin.token, json_body=sent)
    assert answer.status == 201, answer.text
    assert house.post("/api/admin/grants", token=admin.token, json_body=sent).status == 409
    wrong = house.post("/api/admin/grants", token=admin.token, json_body=sent | {"resource_id": "nothing"})
    assert (wrong.status, wrong.json()["code"]) == (404, "table_not_found")
    with pytest.raises(NotFoundError):
        granting.grant(house.state, ADA, group_id="nope", table_id="orders", clock=house.clock)
