"""An audit says what it looked up, and never that all is well when it looked up nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from agnes_local import audit_pins, pins
from agnes_local.audit_pins import CLEAN, NOT_LOOKED_UP, VULNERABLE, Audit
from tests.builders.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
HTTPX = next(pin for pin in pins.read(pins.CONSTRAINTS) if pin.name == "httpx")
TODAY = date(2026, 11, 30)


def advisory(name: str, *, events=(), versions=(), kind="ECOSYSTEM", ecosystem="PyPI", **more) -> dict:
    affected = {
        "package": {"name": name, "ecosystem": ecosystem},
        "ranges": [{"type": kind, "events": list(events)}] if events else [],
        "versions": list(versions),
    }
    return {"id": f"TEST-{name}", "modified": "2026-11-29T00:00:00Z", "affected": [affected], **more}


def copy(folder: Path, *advisories: dict) -> Path:
    for number, one in enumerate(advisories):
        (folder / f"{number}.json").write_text(json.dumps(one))
    return folder


HARMLESS = [advisory("nonesuch", versions=["1"]), advisory("nonesuch", versions=["1"], ecosystem="npm")]


@pytest.mark.parametrize(
    ("version", "events", "affected"),
    [
        ("1.0", [{"introduced": "0"}], True),
        ("1.0", [{"introduced": "0"}, {"fixed": "1.0"}], False),
        ("1.0rc1", [{"introduced": "0"}, {"fixed": "1.0"}], True),
        ("0.9", [{"introduced": "0"}, {"fixed": "1.0"}], True),
        ("1.10", [{"introduced": "1.9"}, {"fixed": "1.11"}], True),
        ("1.2", [{"introduced": "1.9"}, {"fixed": "1.11"}], False),
        ("2.5", [{"introduced": "0"}, {"fixed": "1.1"}, {"introduced": "2.0"}, {"fixed": "2.6"}], True),
        ("1.5", [{"fixed": "2.6"}, {"introduced": "2.0"}, {"fixed": "1.1"}, {"introduced": "0"}], False),
        ("1.0", [{"introduced": "0"}, {"last_affected": "1.0"}], True),
        ("1.0.1", [{"introduced": "0"}, {"last_affected": "1.0"}], False),
        ("1.0", [{"introduced": "0"}, {"fixed": "no version"}], True),  # somebody has to look
    ],
)
def test_ranges(version: str, events: list[dict], affected: bool) -> None:
    assert audit_pins.is_affected(version, {"ranges": [{"type": "ECOSYSTEM", "events": events}]}) is affected


def test_listed_versions_count_beside_ranges_and_ranges_of_git_do_not() -> None:
    assert audit_pins.is_affected("1.4", {"versions": ["1.3", "1.4"], "ranges": []})
    assert not audit_pins.is_affected("1.4", {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]})


def test_a_copy_finds_what_is_vulnerable(tmp_path: Path) -> None:
    hit = advisory("HTTPX", events=[{"introduced": "0"}])
    audits = audit_pins.by_copy(copy(tmp_path, hit, *HARMLESS), today=TODAY)
    (found,) = [audit for audit in audits if audit.subject == "constraints.txt"]
    assert found.found == {f"httpx {HTTPX.version}": ["TEST-HTTPX"]}
    assert "the newest of 2026-11-29" in next(found.lines())
    assert audit_pins.status_of(audits) == VULNERABLE


def test_a_copy_without_a_hit_is_clean(tmp_path: Path) -> None:
    withdrawn = advisory("httpx", events=[{"introduced": "0"}], withdrawn="2026-01-01T00:00:00Z")
    audits = audit_pins.by_copy(copy(tmp_path, withdrawn, *HARMLESS), today=TODAY)
    assert audit_pins.status_of(audits) == CLEAN
    assert sum(len(audit.looked_up) for audit in audits) > 200


def test_an_old_copy_is_no_proof(tmp_path: Path) -> None:
    copy(tmp_path, *HARMLESS)
    assert audit_pins.status_of(audit_pins.by_copy(tmp_path, today=TODAY + timedelta(days=29))) == CLEAN
    audits = audit_pins.by_copy(tmp_path, today=TODAY + timedelta(days=30))
    assert audit_pins.status_of(audits) == NOT_LOOKED_UP
    assert "the copy ended more than 30 days ago" in "\n".join(audits[0].lines())


def test_a_copy_of_another_ecosystem_leaves_pins_unknown(tmp_path: Path) -> None:
    audits = audit_pins.by_copy(copy(tmp_path, HARMLESS[0]), today=TODAY)
    assert audit_pins.status_of(audits) == NOT_LOOKED_UP
    assert {audit.subject.partition("/")[0] for audit in audits if audit.missed} == {"localstack"}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"id": "X"}', '{"affected": []}'])
def test_a_folder_without_advisories_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / "x.json").write_text(body)
    with pytest.raises(ValueError, match="has no advisory"):
        audit_pins.by_copy(tmp_path, today=TODAY)


def test_yaml_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(json.dumps(advisory("httpx", versions=[HTTPX.version])))
    assert [one["id"] for one in audit_pins.read_advisories(tmp_path)] == ["TEST-httpx"]


def test_what_localstack_has_is_told_and_fails_nothing() -> None:
    old = Audit("localstack/constraints.txt", looked_up={"urllib3 1"}, found={"urllib3 1": ["TEST-1"]})
    assert audit_pins.status_of([old]) == CLEAN
    assert "VULNERABLE urllib3 1: TEST-1" in "\n".join(old.lines())


@pytest.mark.parametrize(
    ("audits", "status"),
    [
        ([], NOT_LOOKED_UP),
        ([Audit("a")], NOT_LOOKED_UP),
        ([Audit("a", looked_up={"x 1"})], CLEAN),
        ([Audit("a", looked_up={"x 1"}, missed={"y 1": "no answer"})], NOT_LOOKED_UP),
        ([Audit("a", missed={"y 1": "no answer"}, found={"x 1": ["TEST"]})], VULNERABLE),
    ],
)
def test_nothing_looked_up_is_never_clean(audits: list[Audit], status: int) -> None:
    assert audit_pins.status_of(audits) == status


def answers(*dependencies: dict, code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, json.dumps({"dependencies": dependencies, "fixes": []}), "")


@pytest.mark.parametrize(
    ("done", "taken", "missed", "found"),
    [
        (answers({"name": "httpx", "version": HTTPX.version, "vulns": []}), True, None, None),
        (
            answers({"name": "httpx", "version": HTTPX.version, "vulns": [{"id": "B"}, {"id": "A"}]}, code=1),
            True,
            None,
            ["A", "B"],
        ),
        (answers({"name": "httpx", "skip_reason": "not found: x"}), False, "not found", None),
        (answers(), False, "pip-audit left it out", None),
        (
            subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionError: away"),
            False,
            "ConnectionError: away",
            None,
        ),
        (subprocess.CompletedProcess([], 0, "[]", ""), False, "pip-audit said nothing", None),
    ],
)
def test_answers_of_pip_audit(done, taken: bool, missed: str | None, found: list[str] | None) -> None:
    audit = Audit("constraints.txt")
    assert audit_pins._take(audit, HTTPX, done) is taken
    pin = f"httpx {HTTPX.version}"
    assert audit.missed.get(pin) == missed
    assert audit.found.get(pin) == found
    assert (pin in audit.looked_up) is taken


def test_a_feed_that_is_away_is_not_asked_again() -> None:
    audit = audit_pins.python(pins.LAMBDA_RUNTIME, {"pypi", "osv"})
    assert (audit.looked_up, len(audit.missed)) == (set(), len(pins.read(pins.LAMBDA_RUNTIME)))


@pytest.mark.slow
def test_without_any_feed_the_audit_says_so(tmp_path: Path) -> None:
    """A machine that reaches nothing: pip-audit and npm fail, and the command's status is its own."""
    unreachable = "http://127.0.0.1:9"
    environ = {"PATH": str(tmp_path), "http_proxy": unreachable, "https_proxy": unreachable, "HOME": str(tmp_path)}
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\necho \'{"error": {"code": "ENOAUDIT"}}\'\nexit 1\n')
    npm.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "agnes_local.audit_pins"],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == NOT_LOOKED_UP, done.stdout + done.stderr
    assert "THE AUDIT IS INCOMPLETE" in done.stdout
    assert f"constraints.txt: 0 of {len({*pins.read(pins.CONSTRAINTS)})} pins looked up" in done.stdout
    assert "none is known to be vulnerable" not in done.stdout
