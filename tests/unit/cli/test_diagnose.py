"""What `agnes diagnose` finds wanting, and that it finds nothing where all is well."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.builders.house import START
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


@pytest.fixture
def laptop(office, tmp_path):
    """With a workspace, a client and a token that lasts: nothing is wanting."""
    sign_in(office, days_left=30)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "agnes").symlink_to(Path(sys.executable).with_name("agnes"))
    (tools / "claude").symlink_to("/bin/true")
    office.laptop.agnes("init")
    return office.laptop


def sign_in(office, days_left: int) -> None:
    """The installation's clock is at START."""
    days = (datetime.now(UTC) - START).days + days_left
    body = {"name": "laptop", "expires_in_days": days}
    made = office.house.post("/auth/tokens", token=office.mira.token, json_body=body).json()["token"]
    assert office.laptop.agnes("login", "--token-stdin", stdin=made + "\n").returncode == 0


def diagnosed(laptop, **environment: str) -> dict[str, tuple[str, str, str]]:
    """Check → (status, detail, hint)."""
    tools = {"PATH": str(laptop.home.parent / "bin"), **environment}
    done = laptop.agnes("diagnose", "--json", **tools)
    checks = json.loads(done.stdout)
    assert done.returncode == (1 if any(check["status"] != "ok" for check in checks) else 0)
    return {check["name"]: (check["status"], check["detail"], check["hint"]) for check in checks}


def warnings(laptop, **environment: str) -> list[str]:
    return [name for name, (status, _, _) in diagnosed(laptop, **environment).items() if status != "ok"]


def body() -> bytes:
    t = Transcript(A)
    t.prompt("Hello")
    return t.body()


def test_all_is_well(laptop):
    found = diagnosed(laptop)
    assert {status for status, _, _ in found.values()} == {"ok"}
    assert found["token"][1].startswith("laptop: expires on 20")
    assert found["clock"][1].endswith("the server's")
    assert "shows a lock" in found["status line"][1]


def test_nothing_is_installed(laptop):
    laptop.agnes("init", "--undo")
    assert warnings(laptop, PATH="/nowhere") == ["hooks", "commands", "agnes", "claude"]


def test_settings_that_cannot_be_read(laptop):
    (laptop.claude / "settings.json").write_text("{// mine\n}")
    assert "is not JSON" in diagnosed(laptop)["hooks"][1]


def test_a_token_that_ends_soon_and_one_that_has_ended(office, laptop):
    sign_in(office, days_left=5)
    status, _, hint = diagnosed(laptop)["token"]
    assert (status, "agnes login" in hint) == ("warning", True)
    path = laptop.transcript(A, body())
    laptop.capture(A, path)
    office.server.refuse = lambda _method, _path: (401, {"code": "x", "message": "the token has ended", "hint": None})
    laptop.agnes("push")
    found = diagnosed(laptop)
    assert found["server"] == ("warning", "the token has ended", "Run `agnes login`.")
    assert found["queue"][:2] == ("warning", "1 sessions wait, since the last push: the token has ended")


def test_a_transcript_over_the_limit_is_kept_and_named(laptop):
    path = laptop.transcript(A, b"")
    with path.open("ab") as file:
        file.truncate(51 * 1024 * 1024)
    laptop.capture(A, path)
    laptop.agnes("push")
    status, detail, hint = diagnosed(laptop)["queue"]
    assert (status, "larger than the 52,428,800 bytes" in detail, str(path) in hint) == ("warning", True, True)


def test_sessions_that_were_not_sent(laptop):
    for number in range(4):
        laptop.transcript(f"5d2c8a10-000{number}-4f00-9a00-00000000aaaa", body())
    assert warnings(laptop) == ["sessions"]
    old = time.time() - 8 * 86400
    for path in laptop.home.rglob("*.jsonl"):
        os.utime(path, (old, old))
    assert warnings(laptop) == []


def test_signed_out(laptop):
    laptop.agnes("logout")
    assert warnings(laptop) == ["server"]


def test_the_computer_and_the_server(signed_in):
    laptop = signed_in.laptop
    said = json.loads(laptop.agnes("diagnose", "system", "--json").stdout)
    names = {check["name"]: check["status"] for check in said["checks"]}
    assert {"agnes", "duckdb", "git", "uv", "token", "disk", "server", "health", "clock"} == set(names)
    assert (names["server"], names["token"]) == ("ok", "ok")
    (laptop.home / ".config" / "agnes" / "token.json").chmod(0o644)
    done = laptop.agnes("diagnose", "system", "--local", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["overall"]) == (1, "degraded")
    assert said["suggested_actions"][0].startswith("Run: chmod 600 ")
    assert laptop.agnes("diagnose", "system", AGNES_SERVER="http://127.0.0.1:9").returncode == 1
