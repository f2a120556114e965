"""From a session's transcripts to the figures on the marketplace page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.demo_marketplace import DemoMarketplace, analyst_with
from tests.builders.laptop import REAL_SESSION, SAMPLES, Laptop
from tests.builders.sample_marketplace import PLUGINS
from tests.builders.scenario_figures import expected, shown
from tests.builders.target import Target, Visitor


@pytest.fixture
def mira(demo: DemoMarketplace) -> Visitor:
    return analyst_with(demo, *PLUGINS)


def signed_in(target: Target, folder: Path, who: Visitor) -> Laptop:
    laptop = Laptop.new(target, folder)
    laptop.login(who.make_token()["token"])
    return laptop


class TestPushed:
    def test_a_real_sessions_figures_and_the_same_again(self, demo: DemoMarketplace, mira: Visitor, tmp_path: Path):
        laptop = signed_in(demo.target, tmp_path / "laptop", mira)
        transcript = laptop.keep_transcripts()
        assert all(figures["invocations_30d"] == 0 for figures in shown(demo, mira).values())
        pushed = laptop.push(transcript)
        assert len(pushed["sent"]) == 3, "the session and its two subagents"
        demo.target.process_usage()
        assert shown(demo, mira) == expected()

        assert laptop.push(transcript)["unchanged"] == pushed["sent"]
        elsewhere = signed_in(demo.target, tmp_path / "other", mira)
        assert len(elsewhere.push(elsewhere.keep_transcripts())["sent"]) == 3, "another laptop knows of no upload"
        demo.target.process_usage()
        assert shown(demo, mira) == expected()

    def test_a_second_persons_use_makes_two_active_users(self, demo: DemoMarketplace, mira: Visitor, tmp_path: Path):
        omar = analyst_with(demo, *PLUGINS, name="omar")
        for who in (mira, omar):
            laptop = signed_in(demo.target, tmp_path / who.id, who)
            laptop.push(laptop.keep_transcripts())
        demo.target.process_usage()
        assert shown(demo, mira) == expected(people=2) == shown(demo, omar)

    def test_without_a_login_it_waits(self, demo: DemoMarketplace, mira: Visitor, tmp_path: Path):
        laptop = Laptop.new(demo.target, tmp_path / "laptop")
        transcript = laptop.keep_transcripts()
        refused = laptop.agnes("push", str(transcript), check=False)
        assert refused.returncode == 3
        assert "not signed in" in refused.stderr
        laptop.login(mira.make_token()["token"])
        assert len(laptop.push()["sent"]) == 3, "what could not be sent is sent by the next push"
        demo.target.process_usage()
        assert shown(demo, mira) == expected()


class TestUploadedByForm:
    def upload(self, who: Visitor, name: str, body: bytes, expect: int = 200) -> None:
        who.post("/api/upload/sessions", files={"file": (name, body, "application/jsonl")}, expect=expect)

    def test_grows_with_its_session(self, demo: DemoMarketplace, mira: Visitor, tmp_path: Path):
        lines = Laptop.new(demo.target, tmp_path / "laptop").keep_transcripts().read_bytes().splitlines(keepends=True)
        name = f"{REAL_SESSION}.jsonl"
        self.upload(mira, name, b"".join(lines[:12]))
        demo.target.process_usage()
        begun = shown(demo, mira)["finops"]["invocations_30d"]
        assert begun < expected()["finops"]["invocations_30d"]
        self.upload(mira, name, b"".join(lines))
        self.upload(mira, name, b"".join(lines[:20]))  # overtaken by the longer one
        demo.target.process_usage()
        counted = shown(demo, mira)
        for plugin, figures in expected().items():
            assert counted[plugin]["invocations_30d"] == figures["invocations_30d"]
            assert counted[plugin]["inner"] == figures["inner"]

    def test_broken_lines_cost_nobody_anything(self, demo: DemoMarketplace, mira: Visitor, tmp_path: Path):
        omar = analyst_with(demo, *PLUGINS, name="omar")
        whole = Laptop.new(demo.target, tmp_path / "laptop").keep_transcripts().read_bytes()
        broken = b'{"type":"user"\n[]\n"text"\n\xff\xfe\n' + whole + b'{"type":"assistant","message":{"content":'
        self.upload(omar, f"{REAL_SESSION}.jsonl", broken)
        self.upload(mira, f"{REAL_SESSION}.jsonl", whole)
        demo.target.process_usage()
        figures = shown(demo, mira)["finops"]
        assert (figures["invocations_30d"], figures["distinct_users_30d"]) == (6, 2)

    def test_what_is_no_transcript_is_refused(self, demo: DemoMarketplace, mira: Visitor):
        sample = (SAMPLES / f"{REAL_SESSION}.jsonl").read_bytes()
        for name, body, code in (
            ("../../people.jsonl", sample, "invalid_session_id"),
            ("notes.txt", sample, "invalid_session_id"),
            (f"{REAL_SESSION}.jsonl", b"MZ\x90\x00" * 64, "not_a_transcript"),
            (f"{REAL_SESSION}.jsonl", b"\n", "not_a_transcript"),
        ):
            given = {"file": (name, body)}
            answer = mira.post("/api/upload/sessions", files=given, expect=(400, 422)).json()
            assert answer["code"] == code, answer
