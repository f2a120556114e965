"""What a pull tells on standard error: a line that is drawn anew on a terminal, lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time

from agnes_cli.shown import plain
from agnes_cli.storing import size
from agnes_cli.tables.copies import TableVersion
from agnes_cli.tables.pulling import Plan, Progress

LINE_SECONDS = 5.0


class Lines(Progress):
    """A line a table, and one every LINE_SECONDS while a large one comes."""

    def begin(self, plan: Plan) -> None:
        self._count, self._done = len(plan.changed), 0
        self._total = plan.size_bytes
        self._begun = self._said = time.monotonic()
        self._line(f"{self._count} tables to update, {size(self._total)}")

    def tick(self, received_bytes: int, done: int) -> None:  # noqa: ARG002 (the other kind shows it)
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            self._line(f"{size(received_bytes)} of {size(self._total)}, {self._rate(received_bytes)}")

    def table(self, version: TableVersion, reason: str | None) -> None:
        self._done += 1
        told = f"not updated: {plain(reason)}" if reason else f"{size(version.size_bytes)}, {version.rows:,} rows"
        self._line(f"[{self._done}/{self._count}] {version.id}: {told}")

    def _rate(self, received_bytes: int) -> str:
        return f"{size(int(received_bytes / max(time.monotonic() - self._begun, 0.001)))}/s"

    def _line(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class Bar(Lines):
    """For a terminal: what is done and how fast, on one line; failures stay above it."""

    def tick(self, received_bytes: int, done: int) -> None:
        columns = shutil.get_terminal_size().columns
        share = min(received_bytes / self._total, 1.0) if self._total else 1.0
        told = f" {share:4.0%}  {done} of {self._count} tables, {size(received_bytes)} of {size(self._total)}, {self._rate(received_bytes)}"
        width = max(min(30, columns - len(told) - 3), 0)
        filled = "#" * int(share * width)
        bar = f"[{filled.ljust(width, '.')}]" if width >= 8 else ""
        self._draw(f"{bar}{told}"[: columns - 1])

    def table(self, version: TableVersion, reason: str | None) -> None:
        if reason:
            self._draw("")
            self._line(f"{version.id}: not updated: {plain(reason)}")

    def end(self) -> None:
        self._draw("")

    def _draw(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def shown(*, quiet: bool) -> Progress:
    if quiet:
        return Progress()
    return Bar() if sys.stderr.isatty() else Lines()
