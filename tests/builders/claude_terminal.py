"""The real client as a person sees it: in a terminal of its own, typed into.

with ClaudeTerminal(client) as terminal:
    terminal.type("Forecast the spend")
    terminal.wait_until(lambda: "turn_duration" in transcript.read_text())
    terminal.type("/exit")
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.builders.claude_client import ClaudeClient, ClientFailed
from tests.builders.patience import PATIENCE_SECONDS

READY = b"/effort"
"""Below the input line, beside the effort (the client writes word by word, with cursor moves between)."""
ROWS, COLUMNS = 50, 160


@dataclass
class ClaudeTerminal:
    """An interactive session; on a client whose plugins are installed already. Leaving the block ends it."""

    client: ClaudeClient
    allowed_tools: Sequence[str] = ("Bash", "Read", "Skill", "Agent")
    deadline_seconds: float = PATIENCE_SECONDS
    shown: bytearray = field(default_factory=bytearray)
    """All that was written to the terminal."""

    def __enter__(self) -> Self:
        self._answer_the_first_questions()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [str(self.client.binary), "--allowedTools", *self.allowed_tools],
            cwd=self.client.workspace,
            env=self.client.env() | {"TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_until(lambda: READY in self.shown)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(self.deadline_seconds)
        self._reader.join()
        os.close(self._master)

    def type(self, line: str) -> None:
        """Type a line and press return, when the client waits for one. `/exit` ends the session."""
        before = len(self.shown)
        os.write(self._master, line.encode())
        self.wait_until(lambda: len(self.shown) > before)
        time.sleep(0.5)  # a return that comes with the text would be taken for pasted text
        os.write(self._master, b"\r")

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Raises ClientFailed with what the terminal shows when the deadline passes or the client ended."""
        until = time.monotonic() + self.deadline_seconds
        while not holds():
            if time.monotonic() > until or self._process.poll() is not None:
                raise ClientFailed(
                    f"waited in vain; the terminal shows {bytes(self.shown[-3000:]).decode(errors='replace')}"
                )
            time.sleep(0.05)

    def wait_for_end(self) -> None:
        self._process.wait(self.deadline_seconds)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._master, 65_536)
            except OSError:  # the client closed the other side
                return
            if not chunk:
                return
            self.shown += chunk

    def _answer_the_first_questions(self) -> None:
        """What a first start asks about: colours, the API key, trust in the folder."""
        path = self.client.home / ".claude.json"
        answers = json.loads(path.read_text()) if path.exists() else {}
        key = self.client.env()["ANTHROPIC_API_KEY"]
        answers |= {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [key[-20:]], "rejected": []},
            "projects": {str(self.client.workspace): {"hasTrustDialogAccepted": True, "allowedTools": []}},
        }
        path.write_text(json.dumps(answers))
