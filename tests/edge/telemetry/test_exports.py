"""Exports in the background: the same events as of one answer, however they are cut; what ends them, and what they leave."""

from __future__ import annotations

import json
import resource
import signal
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import duckdb
import pytest

from agnes.kernel.ports import Secret
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry import keys
from agnes.telemetry.lake import export, exports
from agnes.telemetry.lake.event_stream import EventStream, Selection
from tests.builders.beginnings import begun
from tests.builders.house import House
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
C = "88888888-0003-4f00-9a00-00000000cccc"
PATH = "/api/admin/usage/exports"
EVERYTHING = Selection("true", {}, None, None)


class Sent:
    """A queue that is read by the test."""

    def __init__(self):
        self.messages = []

    def send(self, messages):
        self.messages += messages

    def again(self, record):
        raise AssertionError(record)


class Interrupted(MemoryStore):
    """A store in whose streamed writes something happens: `during` when the first piece was sent, `after` when all were stored."""

    during = staticmethod(lambda: None)
    after = staticmethod(lambda: None)

    def write_pieces(self, key, pieces, **options):
        def watched():
            for number, piece in enumerate(pieces):
                yield piece
                if number == 0:
                    self.during()

        size = super().write_pieces(key, watched(), **options)
        self.after()
        return size


@pytest.fixture
def used(tmp_path):
    with House(tmp_path / "house", queue=Sent(), store=Interrupted()) as house:
        admin, mira = begun(house, use)
        yield house, admin, mira
        house.state.close()


def use(house):
    """Mira has a session of this week and its fork, in which the call failed; the admin has an old one."""
    admin = seed_admin(house)
    serve(house, "finops")
    mira = add_person(house, admin, "mira@example.com")
    t = Transcript(A)
    t.prompt('A "quoted", text\nof two lines')
    call = t.use("Skill", skill="finops:forecast")
    upload(house, mira, A, t.body())
    t.result(call, "no", is_error=True)
    upload(house, mira, B, t.body())
    for number in range(2):
        old = Transcript(C[:-1] + str(number))
        old.rng.seed(number)
        old.at -= timedelta(days=20 + number)
        for _ in range(4):
            old.result(old.use("Bash", command="ls"), "x")
        upload(house, admin, C[:-1] + str(number), old.body())
    run_usage(house, admin)
    return admin, mira


def start(used, **wanted):
    house, admin, _ = used
    answer = house.post(PATH, token=admin.token, json_body=wanted)
    assert answer.status == 202, answer.text
    return answer.json()


def work(house, **how):
    """What the queue's consumer does, until nothing is left."""
    queue = house.wiring.queue
    while queue.messages:
        exports.run_queued(
            house.state, house.store, queue, queue.messages.pop().body["export"], clock=house.clock, **how
        )


def status(used, made):
    house, admin, _ = used
    return house.get(f"{PATH}/{made['id']}", token=admin.token)


def files(used, made):
    """The bytes of each file, as their redirections serve them."""
    house, admin, _ = used
    found = []
    for file in status(used, made).json()["files"]:
        answer = house.get(f"{PATH}/{made['id']}/files/{file['part']}", token=admin.token)
        assert answer.status == 302, answer.text
        opened = house.store.open_presigned_url("GET", answer.headers["location"])
        assert opened.filename == file["filename"]
        found.append(house.store.read(opened.key).body)
        assert len(found[-1]) == file["size_bytes"]
    return found


def at_once(used, kind, query=""):
    house, admin, _ = used
    return house.get(f"/api/admin/usage/export?format={kind}{query}", token=admin.token).body


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_it_is_what_one_answer_holds(used, kind):
    house, *_ = used
    made = start(used, format=kind)
    assert (made["status"], made["files"]) == ("queued", [])
    work(house)
    done = status(used, made).json()
    assert (done["status"], done["error"]) == ("done", None)
    assert files(used, made) == [at_once(used, kind)]
    assert done["rows"] == at_once(used, "json").count(b"\n")
    assert done["files"][0]["filename"] == f"usage_events.{kind}"
    assert status(used, made).json()["expires_at"] == (house.clock.now() + timedelta(days=1)).isoformat().replace(
        "+00:00", "Z"
    )


@pytest.mark.parametrize("slice_events", [1, 2, 3, 1000])
@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_however_it_is_cut(used, tmp_path, kind, slice_events):
    house, *_ = used
    stream = EventStream(house.state, house.store, EVERYTHING, kind, slice_events=slice_events)
    body = b"".join(stream.pieces())
    assert stream.reached is None
    assert stream.rows == at_once(used, "json").count(b"\n") > 10
    if kind != "parquet":
        assert body == at_once(used, kind)
        return
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    whole.write_bytes(at_once(used, kind))
    cut.write_bytes(body)
    assert duckdb.sql(f"FROM '{cut}'").fetchall() == duckdb.sql(f"FROM '{whole}'").fetchall()
    assert duckdb.sql(f"DESCRIBE FROM '{cut}'").fetchall() == duckdb.sql(f"DESCRIBE FROM '{whole}'").fetchall()


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_parts_go_on_where_the_last_one_ended(used, tmp_path, kind):
    """Each is a whole file of its format, and together they have each event once."""
    house, *_ = used
    rows, begin, paths = 0, None, []
    for number in range(50):
        stream = EventStream(
            house.state, house.store, EVERYTHING, kind, begin=begin, goes_on=lambda _: False, slice_events=2
        )
        paths.append(tmp_path / f"part{number}.{kind}")
        paths[-1].write_bytes(b"".join(stream.pieces()))
        rows, begin = rows + stream.rows, stream.reached
        if begin is None:
            break
    assert len(paths) > 3
    read = {"csv": "read_csv('{}')", "json": "read_json('{}', format='newline_delimited')", "parquet": "'{}'"}[kind]
    ids = [row[0] for path in paths for row in duckdb.sql(f"SELECT event_id FROM {read.format(path)}").fetchall()]
    assert ids == [json.loads(line)["event_id"] for line in at_once(used, "json").splitlines()]
    assert rows == len(ids)


def test_what_takes_longer_than_a_delivery_goes_on_in_the_next_one(used):
    house, *_ = used
    made = start(used, format="json")
    work(house, part_seconds=-1, slice_events=2)
    found = files(used, made)
    assert len(found) > 1
    assert b"".join(found) == at_once(used, "json")
    assert [file["filename"] for file in status(used, made).json()["files"]][:2] == [
        "usage_events.json", "usage_events-2.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        ({"since": "7d"}, "&since=7d"),
        ({"until": "2026-11-10"}, "&until=2026-11-10"),
        ({"user_id": "Mira@Example.com", "event_type": "tool_use"}, "&user_id=Mira@Example.com&event_type=tool_use"),
        ({"source": "curated"}, "&source=curated"),
        ({"user_id": "nobody"}, "&user_id=nobody"),
        ({"since": "2020-01-01", "until": "2020-01-02"}, "&since=2020-01-01&until=2020-01-02"),
    ],
)
def test_filters(used, wanted, query):
    made = start(used, format="csv", **wanted)
    work(used[0])
    assert files(used, made) == [at_once(used, "csv", query)]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"format": "xlsx"}, 422),
        ({"sinse": "7d"}, 422),
        ({"since": "yesterday"}, 400),
        ({"since": "7d", "until": "30d"}, 400),
    ],
)
def test_what_is_refused(used, wanted, code):
    house, admin, _ = used
    assert house.post(PATH, token=admin.token, json_body=wanted).status == code
    assert list(house.store.list("exports/")) == []


def test_it_is_for_admins_and_audited(used):
    house, admin, mira = used
    made = start(used, format="json", source="curated")
    work(house)
    for method, path in (
        ("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/{made['id']}"), ("DELETE", f"{PATH}/{made['id']}"),
        ("GET", f"{PATH}/{made['id']}/files/1"),
    ):  # fmt: skip
        assert house.call(method, path, token=mira.token, json_body={} if method == "POST" else None).status == 403
        assert house.call(method, path).status == 401
    files(used, made)
    assert house.delete(f"{PATH}/{made['id']}", token=admin.token).status == 204
    with house.state.read("telemetry") as db:
        rows = db.execute(
            "SELECT action, params FROM telemetry.audit WHERE action LIKE 'usage.export%' ORDER BY \"at\", id"
        ).fetchall()
    assert [(action, json.loads(params)["export_id"]) for action, params in rows] == [
        ("usage.export", made["id"]), ("usage.export_download", made["id"]), ("usage.export_remove", made["id"]),
    ]  # fmt: skip


def test_nothing_is_left_of_what_was_cancelled(used):
    """Before it began, between two slices, and after its last one."""
    house, admin, _ = used
    made = start(used)
    assert house.delete(f"{PATH}/{made['id']}", token=admin.token).status == 204
    work(house)
    assert list(house.store.list("exports/")) == []
    assert status(used, made).status == 404

    made = start(used)
    cancelled = made["id"]
    house.store.after = lambda: house.delete(f"{PATH}/{cancelled}", token=admin.token)
    work(house)
    assert list(house.store.list("exports/")) == []

    house.store.after = Interrupted.after
    made = start(used, format="json")
    work(house)
    assert house.delete(f"{PATH}/{made['id']}", token=admin.token).status == 204
    assert list(house.store.list("exports/")) == []
    assert house.delete(f"{PATH}/{made['id']}", token=admin.token).status == 404


def test_a_redaction_ends_the_exports_that_may_hold_what_was_redacted(used):
    """Their events are in them, or in what is being made. Exports of somebody else alone stay, and so does what failed before."""
    house, admin, mira = used
    done, of_mira, of_admin = start(used), start(used, user_id=mira.email), start(used, user_id=admin.id)
    work(house)
    queued = start(used)
    export.export(house.state, house.store, export.Filters(), kind="csv", clock=house.clock, inline_bytes=10)
    assert house.delete(f"/api/me/sessions/{C[:-1]}0", token=admin.token).status in (200, 204)
    work(house)
    found = {name: status(used, made).json() for name, made in (("done", done), ("queued", queued), ("own", of_admin))}
    assert {(each["status"], "redacted" in each["error"], len(each["files"])) for each in found.values()} == {
        ("failed", True, 0)
    }
    assert status(used, of_mira).json()["status"] == "done"
    assert house.get(f"{PATH}/{of_mira['id']}/files/1", token=admin.token).status in (200, 302)
    left = {entry.key.split("/")[1] for entry in house.store.list("exports/") if not entry.key.endswith("status.json")}
    assert left == {of_mira["id"]}


def test_a_redaction_while_an_export_is_written_takes_back_what_was_written(used):
    house, admin, _ = used
    made = start(used)
    house.store.after = lambda: house.delete(f"/api/me/sessions/{C[:-1]}0", token=admin.token)
    work(house)
    house.store.after = Interrupted.after
    assert (status(used, made).json()["status"], status(used, made).json()["files"]) == ("failed", [])
    assert [entry.key for entry in house.store.list("exports/")] == [keys.export_status(made["id"])]
    again = start(used)
    work(house)
    assert status(used, again).json()["status"] == "done"


def test_a_worker_that_was_killed_is_followed_by_another_and_the_third_time_is_the_last(used):
    house, *_ = used
    made = start(used, format="json")
    message = house.wiring.queue.messages[0]

    def kill():
        raise KeyboardInterrupt

    house.store.during = kill
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            exports.run_queued(house.state, house.store, house.wiring.queue, made["id"], clock=house.clock)
    assert status(used, made).json()["status"] == "running"
    house.store.during = Interrupted.during
    work(house)
    assert message
    assert status(used, made).json()["status"] == "failed"
    assert "shorter span" in status(used, made).json()["error"]


def test_a_worker_that_says_nothing_any_more_has_failed(used):
    house, *_ = used
    made = start(used)
    house.clock.sleep(timedelta(hours=1).total_seconds())
    found = status(used, made).json()
    assert (found["status"], found["files"]) == ("failed", [])


def test_a_file_of_an_export_that_is_not_done(used):
    house, admin, _ = used
    made = start(used)
    assert house.get(f"{PATH}/{made['id']}/files/1", token=admin.token).status == 409
    work(house)
    for part in ("0", "2", "x", "-1", "9" * 30):
        assert house.get(f"{PATH}/{made['id']}/files/{part}", token=admin.token).status == 404
    for other in ("x", "../" + made["id"], made["id"][:-1] + ("0" if made["id"][-1] != "0" else "1"), "ä" * 26):
        assert house.get(f"{PATH}/{other}", token=admin.token).status in (400, 404)


def test_how_many_there_may_be(used):
    house, admin, _ = used
    for _ in range(exports.MAX_UNFINISHED):
        start(used)
    answer = house.post(PATH, token=admin.token, json_body={})
    assert (answer.status, answer.json()["code"]) == (429, "too_many_exports")
    work(house)
    start(used)
    assert len(house.get(PATH, token=admin.token).json()) == exports.MAX_UNFINISHED + 1
    assert exports.remove_old(house.store, now=datetime.now(UTC) + timedelta(days=2)) > exports.MAX_UNFINISHED
    assert house.get(PATH, token=admin.token).json() == []


def test_one_answer_of_too_many_events_names_the_way(used):
    house, *_ = used
    filters = export.Filters(source="curated")
    with pytest.raises(export.ExportTooLarge) as refused:
        export.export(house.state, house.store, filters, kind="csv", clock=house.clock, max_events=3)
    assert (refused.value.status, refused.value.code) == (413, "export_too_large")
    assert PATH in refused.value.hint


def test_an_event_file_that_is_away_is_said_and_leaves_nothing(used):
    house, *_ = used
    made = start(used)
    house.store.remove([next(iter(house.store.list(keys.EVENTS))).key])
    work(house)
    found = status(used, made).json()
    assert (found["status"], found["files"]) == ("failed", [])
    assert "no longer there" in found["error"]
    assert [entry.key for entry in house.store.list("exports/")] == [keys.export_status(made["id"])]


def _on_a_full_disk(folder, where, channel):
    """Both kinds of it: files of this process may not grow beyond so many bytes, which fails as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with House(folder / "house", queue=Sent()) as house:
        admin = seed_admin(house)
        t = Transcript(A, cwd="/" + "x" * 900)
        for number in range(1500):
            t.use("Skill", skill=f"finops:{number}" + "y" * 500)
        upload(house, admin, A, t.body())
        run_usage(house, admin)
        store = house.store
        if where == "store":
            store = FolderStore(folder / "store", secret=Secret("s"), base_url="http://agnes.test")
            for entry in house.store.list("telemetry/"):
                store.write(entry.key, house.store.read(entry.key).body, expect=exports.ABSENT)
        made = exports.start(
            house.state,
            store,
            house.wiring.queue,
            admin_of(admin),
            exports.ExportCreate(format="json"),
            clock=house.clock,
        )
        house.state.close()
        limit = 1_500_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        exports.run_queued(
            house.state,
            store,
            house.wiring.queue,
            made.id,
            clock=house.clock,
            slice_events=200 if where == "store" else 100_000,
        )
        found = exports.get(store, made.id, now=house.clock.now())
        left = [str(path) for path in (folder / "tmp").rglob("*") if path.is_file()]
        left += [
            str(path)
            for path in (folder / "store").rglob("*")
            if path.is_file() and path.stat().st_size > 100_000 and "day=" not in str(path)
        ]
        channel.put((found.status, found.error, [entry.key for entry in store.list("exports/")], left))


def admin_of(person):
    from agnes.kernel.principal import Principal

    return Principal(person.id, "admin@example.com", "Admin", frozenset(), is_admin=True)


@pytest.mark.parametrize("where", ["disk", "store"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch, where):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    context = get_context("spawn")
    channel = context.Queue()
    child = context.Process(target=_on_a_full_disk, args=(tmp_path, where, channel))
    child.start()
    found, error, kept, left = channel.get(timeout=PATIENCE_SECONDS)
    child.join()
    assert found == "failed"
    assert "too large" in error or "space" in error
    assert [key.rpartition("/")[2] for key in kept] == ["status.json"]
    assert left == []
