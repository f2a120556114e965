"""The command says when the server has a newer one, and refuses to go on where the server does not serve it any more."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from agnes_cli import VERSION, versions
from agnes_cli.versions import CommandTooOld
from tests.builders.house import House

ROOT = Path(__file__).parents[3]


def test_the_version_is_the_packages():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize(
    ("latest", "least"),
    [(None, None), ("1.2.3", "1.2.3"), ("1.2.2", "0.9.9"), ("newest", "<script>"), ("", "1.10.0.0"), ("9" * 50, "1")],
)
def test_nothing_is_said_where_it_is_new_enough_or_no_version_is_given(capfd, latest, least):
    versions.compare(latest, least, own="1.2.3")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("least", "own"), [("1.2.10", "1.2.9"), ("2.0.0", "1.99.99")])
def test_what_the_server_does_not_serve_ends(least, own):
    with pytest.raises(CommandTooOld, match=f"agnes {own}, and the server serves {least}"):
        versions.compare("3.0.0", least, own=own)


class Newer(BaseHTTPRequestHandler):
    least = "0.1.0"

    def do_GET(self):
        body = b'{"email": "ada@example.com", "name": "", "groups": [], "is_admin": false, "scope": "full"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Agnes-Latest-Version", "99.0.0")
        self.send_header("X-Agnes-Min-Version", self.least)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_the_command_itself(tmp_path):
    """The note is on standard error, since hooks and scripts read standard output."""
    server = HTTPServer(("127.0.0.1", 0), Newer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    program = "import sys; from agnes_cli.server import Server; s = Server(sys.argv[1]); print(s.get('/api/me')['email']); s.get('/api/me')"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, f"http://127.0.0.1:{server.server_port}"],
            capture_output=True, text=True, env={"HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "cli")}, check=False,
        )  # fmt: skip
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (done.returncode, done.stdout) == (0, "ada@example.com\n"), done.stderr
    assert done.stderr.count("99.0.0 is there") == 1


@pytest.mark.slow
def test_every_answer_of_the_api_says_it_and_no_page_does(tmp_path):
    with House(tmp_path) as house:
        for path in ("/api/version", "/api/me"):
            assert house.get(path).headers["x-agnes-latest-version"] == VERSION
            assert house.get(path).headers["x-agnes-min-version"]
        assert "x-agnes-latest-version" not in house.get("/login").headers
