"""Jobs on one machine: a request in a folder queue, which the local scheduler takes and runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agnes.kernel.ports import Message
from agnes.outside.folder_queue import FolderQueue

QUEUE = "run-job"


class FolderJobs:
    def __init__(self, queues: Path) -> None:
        self._queue = FolderQueue(queues)

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        self._queue.send([Message(QUEUE, {"function": function, "event": dict(event)})])
