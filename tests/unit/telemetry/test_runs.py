"""What a run does with what it finds: forks, late results, malformed files, other runs, nothing."""

from __future__ import annotations

import base64
import json
import random
from datetime import date, timedelta

import pytest
import zstandard

from agnes.kernel.ports import ANYTHING
from agnes.telemetry import keys
from agnes.telemetry.claim import ExtractionBusy, claimed
from agnes.telemetry.extraction.served import Served, ServedPlugin
from agnes.telemetry.model import Limits
from tests.builders.transcripts import START, Transcript
from tests.unit.telemetry.killing_store import KillingStore
from tests.unit.telemetry.plant import USER, Plant

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
FINOPS = {"attributionPlugin": "finops", "attributionSkill": "finops:forecast"}


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path)
    yield plant
    plant.state.close()


def skill(session: str = A, name: str = "finops:forecast", times: int = 1, seed: int = 0) -> Transcript:
    t = Transcript(session, rng=random.Random(seed)) if seed else Transcript(session)
    t.prompt("Go")
    for _ in range(times):
        t.result(t.use("Skill", skill=name), "Launching")
    return t


def test_a_fork_counts_only_what_is_its_own(plant):
    original = skill(times=2)
    fork = original.body().replace(A.encode(), B.encode())
    more = Transcript(B, at=START + timedelta(hours=1), rng=random.Random(8))
    more.prompt("The other way")
    more.use("Skill", skill="finops:forecast", attribution=FINOPS, tokens=(1, 1, 1, 1))
    plant.upload(fork + more.body(), B)
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 3
    plant.upload(original.body(), A)  # the original may come later
    plant.run()
    found = plant.plugin("finops")
    assert (found["invocations_30d"], found["distinct_users_30d"], found["tokens_30d"]) == (3, 1, 4)
    # Somebody else's session with the same ids is somebody else's.
    plant.upload(original.body(), A, user="user2")
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 5
    assert plant.plugin("finops")["distinct_users_30d"] == 2


def test_a_result_in_a_later_upload_flips_the_error(plant):
    t = Transcript(A)
    t.prompt("Go")
    call = t.use("Skill", skill="finops:forecast")
    plant.upload(t.body(), A)
    plant.run()
    assert plant.plugin("finops")["errors_30d"] == 0
    t.result(call, "denied", is_error=True)
    plant.upload(t.body(), A)
    plant.run()
    found = plant.plugin("finops")
    assert (found["errors_30d"], found["invocations_30d"]) == (1, 1)


def test_a_session_sent_again_replaces_itself(plant):
    plant.upload(skill(times=3).body(), A)
    plant.run()
    plant.upload(skill(name="chartkit:bar").body(), A)
    plant.run()
    assert plant.plugin("finops") == {}
    assert plant.plugin("chartkit")["invocations_30d"] == 1
    assert plant.rows("SELECT count(*) FROM telemetry.item_daily WHERE plugin = 'finops'") == [(0,)]


def test_a_typed_command_followed_by_its_call_is_one_invocation(plant):
    t = Transcript(A)
    t.command("finops:close-month")
    t.result(t.use("Skill", skill="finops:close-month"), "no", is_error=True)
    t.use("Skill", skill="finops:close-month")
    t.command("finops:close-month")
    plant.upload(t.body(), A)
    plant.run()
    found = plant.plugin("finops", "skill", "close-month")
    assert (found["invocations_30d"], found["errors_30d"]) == (3, 1)
    assert plant.rows("SELECT slash_commands, skill_invocations FROM telemetry.sessions") == [(2, 2)]


def test_tokens_by_plugin_skill_and_agent(plant):
    t = Transcript(A)
    t.prompt("Go")
    t.say([], message_id="m1", tokens=(1, 0, 0, 0), **FINOPS)
    t.say([], message_id="m1", tokens=(1, 10, 0, 0), **FINOPS)
    t.say([], message_id="m2", tokens=(100, 0, 0, 0), **FINOPS, attributionAgent="chartkit:painter")
    t.say([], message_id="m3", tokens=(1000, 0, 0, 0))
    plant.upload(t.body(), A)
    plant.run()
    assert plant.plugin("finops")["tokens_30d"] == 111
    assert plant.plugin("finops", "skill", "forecast")["tokens_30d"] == 111
    assert plant.plugin("chartkit", "agent", "painter")["tokens_30d"] == 100
    assert plant.plugin("chartkit")["tokens_30d"] == 100  # its own agent worked, and finops carried it
    assert plant.plugin("chartkit")["carried_tokens_30d"] == 0
    assert plant.plugin("finops")["carried_tokens_30d"] == 0  # the agent is named in the skill's own thread
    assert plant.plugin("finops")["distinct_users_30d"] == 0


def test_a_window_is_its_series_and_the_trend_compares_complete_days(plant):
    today = plant.clock.now().date()
    uses = {0: 5, 1: 2, 6: 1, 7: 3, 8: 4, 14: 1, 15: 7, 29: 1, 30: 50}
    for number, (days_ago, times) in enumerate(uses.items()):
        t = Transcript(
            f"00000000-0000-4000-8000-{number:012d}", at=plant.clock.now() - timedelta(days=days_ago, hours=1)
        )
        t.rng.seed(number)
        t.prompt("Go")
        for _ in range(times):
            t.use("Skill", skill="finops:forecast")
        plant.upload(t.body(), t.session, user=f"user{number % 2}")
    plant.run()
    found = plant.plugin("finops")
    assert found["invocations_7d"] == 5 + 2 + 1
    assert found["invocations_30d"] == 5 + 2 + 1 + 3 + 4 + 1 + 7 + 1
    assert (found["distinct_users_7d"], found["distinct_users_30d"]) == (2, 2)
    # 1 to 7 days ago: 2 + 1 + 3; 8 to 14 days ago: 4 + 1
    assert found["trend_pct"] == pytest.approx((6 - 5) / 5 * 100)
    assert (found["active_days_30d"], found["last_used_day"]) == (8, today)
    plant.next_day()
    assert plant.run().windows_day == today + timedelta(days=1)
    later = plant.plugin("finops")
    assert later["invocations_7d"] == 5 + 2
    assert later["invocations_30d"] == found["invocations_30d"] - 1
    # 5 + 2 + 1 against 3 + 4
    assert later["trend_pct"] == pytest.approx((8 - 7) / 7 * 100)
    assert plant.rows("SELECT min(day) FROM telemetry.item_daily")[0][0] > today - timedelta(days=31)


def test_below_three_earlier_uses_there_is_no_trend(plant):
    t = Transcript(A, at=plant.clock.now() - timedelta(days=9))
    t.prompt("Go")
    for _ in range(2):
        t.use("Skill", skill="finops:forecast")
    plant.upload(t.body(), A)
    plant.run()
    assert plant.plugin("finops")["trend_pct"] is None


def test_a_future_time_is_the_time_of_receipt(plant):
    t = Transcript(A, at=plant.clock.now() + timedelta(days=400))
    t.prompt("Go")
    t.use("Skill", skill="finops:forecast")
    plant.upload(t.body(), A)
    plant.run()
    assert plant.rows("SELECT DISTINCT day FROM telemetry.item_daily") == [(plant.clock.now().date(),)]


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        pytest.param(b"not zstd at all", "not_zstd", id="not-zstd"),
        pytest.param(zstandard.compress(b'{"x":1}\n' * 99)[:-5], "not_zstd", id="torn"),
        pytest.param(zstandard.compress(b"\x00\xff\n" * 50), "no_records", id="binary"),
        pytest.param(zstandard.compress(b""), "empty", id="empty"),
        pytest.param(zstandard.compress(b"0" * (50 * 1024 * 1024 + 1)), "transcript_too_large", id="bomb"),
    ],
)
def test_a_malformed_file_is_quarantined_and_stops_nobody(plant, stored, reason):
    which = keys.transcript_id(USER, B)
    plant.memory.write(which.key, stored, expect=ANYTHING)
    note = {"user_id": USER, "session_id": B, "file": "main"}
    plant.memory.write(keys.inbox("0" * 26), json.dumps(note).encode(), expect=ANYTHING)
    plant.upload(skill().body(), A)
    report = plant.run()
    assert report.quarantined == [f"{USER}/{B}/main: {reason}"]
    assert plant.quarantine_notes() == {which.quarantine_key: reason}
    assert plant.plugin("finops")["invocations_30d"] == 1
    assert plant.run().sessions == 0
    # A good version takes its place.
    plant.upload(skill(B).body(), B)
    plant.run()
    assert plant.quarantine_notes() == {}
    assert plant.rows("SELECT count(*) FROM telemetry.transcripts WHERE quarantine_reason IS NOT NULL") == [(0,)]


def test_a_transcript_of_too_many_days_is_quarantined(plant):
    t = Transcript(A, at=START - timedelta(days=300))
    for _ in range(201):
        t.prompt("Go")
        t.at += timedelta(days=1)
    plant.upload(t.body(), A)
    assert plant.run().quarantined == [f"{USER}/{A}/main: too_many_days"]
    assert plant.keys("telemetry/events/") == []


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b'{"user_id": "../x", "session_id": 5, "file": []}', b"[]"])
def test_a_useless_note_is_removed(plant, body):
    plant.memory.write(keys.inbox("0" * 26), body, expect=ANYTHING)
    plant.run()
    plant.upload(skill().body(), A)
    plant.memory.write(keys.inbox("0" * 26), body, expect=ANYTHING)
    plant.run()
    assert plant.keys("inbox/") == []
    assert plant.plugin("finops")["invocations_30d"] == 1


def test_rounds_give_what_one_round_gives(tmp_path):
    tables = []
    for limits in (Limits(), Limits(round_sessions=1), Limits(round_bytes=1)):
        plant = Plant(tmp_path / str(limits.round_sessions + limits.round_bytes))
        for number in range(4):
            t = skill(f"00000000-0000-4000-8000-{number:012d}", times=number + 1)
            plant.upload(t.body(), t.session, user=f"user{number}")
        report = plant.run(limits=limits)
        assert (report.sessions, report.left) == (4, 0)
        tables.append(plant.tables())
        plant.state.close()
    assert tables[0] == tables[1] == tables[2]


def test_when_time_is_up_the_rest_is_left(plant):
    plant.upload(skill().body(), A)
    report = plant.run(limits=Limits(seconds=-1))
    assert (report.left, report.sessions) == (1, 0)
    assert plant.run().sessions == 1


def test_two_runs_do_not_work_at_once(plant):
    plant.upload(skill().body(), A)
    with claimed(plant.store, keys.CLAIM, plant.clock), pytest.raises(ExtractionBusy):
        plant.run()
    assert plant.run().sessions == 1


def test_a_claim_of_the_dead_ends(plant):
    plant.upload(skill().body(), A)
    claim = claimed(plant.store, keys.CLAIM, plant.clock)
    claim.__enter__()
    plant.clock.sleep(121)
    assert plant.run().sessions == 1


def test_a_claim_of_a_clock_that_was_wrong_holds_nobody_up(plant):
    plant.upload(skill().body(), A)
    plant.clock.sleep(86400)
    claim = claimed(plant.store, keys.CLAIM, plant.clock)
    claim.__enter__()
    plant.clock.sleep(-86400)
    assert plant.run().sessions == 1


def test_an_idle_run_asks_the_store_three_times(tmp_path):
    plant = Plant(tmp_path, wrap=KillingStore)
    plant.upload(skill().body(), A)
    plant.run()
    plant.store.arm(None)
    plant.run()
    assert [verb for verb, _ in plant.store.log] == ["list", "list", "read"]
    plant.state.close()


def test_a_new_version_of_the_rules_extracts_again(plant, request):
    plant.upload(skill().body(), A)
    plant.run()
    plant.state.commit("telemetry", lambda tx: tx.db.execute("UPDATE telemetry.sessions SET processor_version = 0"))
    plant.upload(skill().body(), A)
    assert plant.run().sessions == 1
    assert plant.plugin("finops")["invocations_30d"] == 1


def test_the_same_name_from_two_marketplaces(plant):
    acme, zeta = ServedPlugin("curated", "acme", "finops"), ServedPlugin("curated", "zeta", "finops")
    both = Served({"finops": (acme, zeta)})
    plant.names = both
    plant.upload(skill().body(), A)
    plant.run()
    assert plant.plugin("finops")["marketplace_id"] == "acme"
    plant.names = both.for_user(frozenset({("zeta", "finops")}))
    plant.upload(skill(B).body(), B, user="user2")
    plant.run()
    rows = plant.rows(
        "SELECT marketplace_id, invocations_30d FROM telemetry.item_windows WHERE kind = 'plugin' ORDER BY 1"
    )
    assert rows == [("acme", 1), ("zeta", 1)]


def test_a_day_of_many_runs_has_few_files_and_the_retired_go(plant):
    t = Transcript(A)
    other = Transcript(B, rng=random.Random(9))
    for number in range(17):
        t.prompt("Go")
        t.use("Skill", skill="finops:forecast")
        plant.upload(t.body(), A)
        if number == 3:
            other.use("Skill", skill="finops:forecast")
            plant.upload(other.body(), B)
        plant.run()
        assert plant.plugin("finops")["invocations_30d"] == number + 1 + (number >= 3)
        assert plant.rows("SELECT count(*) <= 8 FROM telemetry.batches") == [(True,)]
    plant.next_day()
    plant.next_day()
    plant.run()
    named = {
        key for (key,) in plant.rows("SELECT key FROM telemetry.batches UNION SELECT key FROM telemetry.rollup_parts")
    }
    assert set(plant.keys("telemetry/")) == named | {keys.CURRENT}
    assert plant.rows("SELECT count(*) FROM telemetry.retired") == [(0,)]


def test_events_are_parquet_in_hive_layout(plant):
    import duckdb

    t = skill()
    t.at = t.at.replace(day=21)
    t.use("Bash", command="ls")
    plant.upload(t.body(), A)
    plant.run()
    paths = [key.split("/") for key in plant.keys("telemetry/events/")]
    assert [path[2] for path in paths] == ["day=2026-11-20", "day=2026-11-21"]
    for path in paths:
        folder = plant.folder / "lake" / path[2]
        folder.mkdir(parents=True)
        (folder / path[3]).write_bytes(plant.memory.read("/".join(path)).body)
    rows = duckdb.connect().execute(
        f"SELECT day, count(*) FROM read_parquet('{plant.folder}/lake/**/*.parquet', hive_partitioning = true) "
        "WHERE event_type = 'tool_use' GROUP BY day ORDER BY day"
    )
    assert rows.fetchall() == [(date(2026, 11, 20), 1), (date(2026, 11, 21), 1)]


def test_a_session_of_more_than_anybody_does_is_put_aside_and_others_count(plant):
    """Fifty megabytes hold a million calls, which no function's memory does: whoever sends that stops only himself."""
    blocks = [",".join(f'{{"type":"tool_use","id":"{n}-{i}","name":"Bash"}}' for i in range(2001)) for n in range(50)]
    lines = [f'{{"type":"assistant","uuid":"{n}","message":{{"content":[{of}]}}}}\n' for n, of in enumerate(blocks)]
    plant.upload("".join(lines).encode(), A)
    plant.upload(skill(A).body(), A, agent="a1")
    plant.upload(skill(B, seed=2).body(), B)
    report = plant.run()
    assert report.quarantined == [f"{USER}/{A}/main: too_many_events", f"{USER}/{A}/a1: too_many_events"]
    assert plant.plugin("finops")["invocations_30d"] == 1
    plant.upload(skill(A).body(), A)
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 2


def test_a_session_whose_names_are_too_much_is_put_aside_and_others_count(plant):
    """DuckDB would run out of the memory of a run, at each of them again."""
    long = {
        name: name * 60 for name in ("cwd", "parentUuid", "attributionSkill", "attributionPlugin", "attributionAgent")
    }
    calls = [{"type": "tool_use", "id": str(number), "name": "Bash"} for number in range(400)]
    said = [{"type": "assistant", "uuid": f"{n:0300}", "message": {"content": calls}, **long} for n in range(100)]
    plant.upload(b"".join(json.dumps(each).encode() + b"\n" for each in said), A)
    plant.upload(skill(B, seed=2).body(), B)
    assert plant.run().quarantined == [f"{USER}/{A}/main: events_too_large"]
    assert plant.plugin("finops")["invocations_30d"] == 1


def test_a_session_counts_as_far_as_its_files_fit(plant):
    huge = b'{"x":"' + b"a" * 49_000_000 + b'"}\n'
    plant.upload(huge + skill(A).body(), A)
    for number in range(1, 8):
        plant.upload(huge if number < 7 else skill(A, times=2).body(), A, agent=f"a{number}")
    assert plant.run().quarantined == [f"{USER}/{A}/a6: session_too_large"]
    assert plant.plugin("finops")["invocations_30d"] == 2


def test_a_large_file_is_read_again_when_its_turn_comes(plant):
    noise = base64.b64encode(random.Random(1).randbytes(8_000_000))
    plant.upload(b'{"x":"' + noise + b'"}\n' + skill(A).body(), A)
    plant.upload(skill(A, seed=2).body(), A, agent="b")
    assert plant.run().quarantined == []
    assert plant.plugin("finops")["invocations_30d"] == 2
    assert plant.run().sessions == 0
