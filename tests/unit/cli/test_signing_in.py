from __future__ import annotations

import json
import resource
import stat
import subprocess
import sys

import pytest

from tests.unit.cli.conftest import EMAIL

pytestmark = pytest.mark.slow


def test_a_token_from_standard_input_is_verified_and_kept_private(office):
    office.sign_in()
    kept = office.laptop.home / ".config" / "agnes" / "token.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert office.laptop.agnes("whoami").stdout == f"{EMAIL} at {office.server.url}\n"
    answer = json.loads(office.laptop.agnes("whoami", "--json").stdout)
    assert (answer["email"], answer["server"]) == (EMAIL, office.server.url)


def test_a_wrong_token_is_not_kept(office):
    done = office.laptop.agnes("login", "--token-stdin", stdin="agn_wrong\n")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: ")
    assert "agn_wrong" not in done.stderr
    assert not (office.laptop.home / ".config").exists()


def test_a_password_becomes_a_token_that_logout_revokes(office):
    done = password_login(office, "correct horse battery")
    assert done.returncode == 0, done.stderr
    kept = json.loads((office.laptop.home / ".config" / "agnes" / "token.json").read_text())
    assert "correct horse battery" not in json.dumps(kept)
    assert office.house.get("/api/me", token=kept["token"]).json()["email"] == EMAIL
    assert office.laptop.agnes("logout").returncode == 0
    assert office.house.get("/api/me", token=kept["token"]).status == 401
    assert office.laptop.agnes("whoami").returncode == 3


def test_a_wrong_password_says_why(office):
    done = password_login(office, "wrong")
    assert done.returncode in (1, 3)
    assert "Error: " in done.stderr
    assert not (office.laptop.home / ".config").exists()


def password_login(office, password: str) -> subprocess.CompletedProcess[str]:
    """Without a terminal getpass falls back to standard input; its warning about that is not ours."""
    return office.laptop.agnes("login", "--email", EMAIL, stdin=f"{password}\n")


@pytest.mark.parametrize(
    ("server", "code", "says"),
    [
        pytest.param("http://127.0.0.1:9", 4, "did not answer", id="nobody-there"),
        pytest.param("ftp://x", 2, "no http or https URL", id="not-http"),
        pytest.param("", 2, "no server is known", id="none"),
    ],
)
def test_a_server_that_cannot_be_asked(office, server, code, says):
    done = office.laptop.agnes("login", "--token-stdin", stdin="x\n", AGNES_SERVER=server)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_help_imports_nothing_slow():
    code = "import sys; from agnes_cli.main import agnes; agnes(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"capture-session", "push", "login"} <= loaded  # the words of the help itself
    assert not loaded & {"httpx", "zstandard", "agnes.kernel", "msgspec", "duckdb"}


def test_help_is_quick():
    """Not twice the time that this interpreter takes to import click alone: the processor's own time, the best of five in
    turns, so that neither a slower machine nor its other processes count."""

    def took(*arguments: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(took("-m", "agnes_cli", "--help"), took("-c", "import click")) for _ in range(5)]
    assert min(helped for helped, _ in pairs) < 2 * min(clicked for _, clicked in pairs)
