"""What the supervisor's processes have in common: they end with their parent, and they log JSON lines."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from datetime import UTC, datetime

import msgspec

_PR_SET_PDEATHSIG = 1
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def end_with_parent() -> None:
    """Have the kernel send us SIGTERM when the supervisor is gone, killed included. Linux only; elsewhere nothing."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == 1:  # it was gone already
        sys.exit(0)


class JsonLines(logging.Formatter):
    """One JSON object a record, with what the caller put into `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def log_as_json(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
