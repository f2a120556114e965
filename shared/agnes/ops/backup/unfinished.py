"""The note of a restore that has not ended: an installation that is half restored must not serve."""

from __future__ import annotations

from datetime import datetime

import msgspec

from agnes.kernel.errors import ConflictError
from agnes.kernel.ports import ObjectStore

MARKER = "restore/unfinished.json"


class Marker(msgspec.Struct, frozen=True):
    backup: str = ""
    began: datetime | None = None


class RestoreUnfinished(ConflictError):
    code = "restore_unfinished"

    def __init__(self, backup: str) -> None:
        super().__init__(
            f"the restore of backup {backup or '?'} has not ended, and the installation is incomplete",
            hint="Finish it with the same command as before: it goes on where it was (agnes-local restore PLACE).",
        )


def of(body: bytes) -> Marker:
    """One that is damaged names no backup."""
    try:
        return msgspec.json.decode(body, type=Marker)
    except msgspec.MsgspecError:
        return Marker()


def refuse(store: ObjectStore) -> None:
    """Raises RestoreUnfinished."""
    if blob := store.read(MARKER):
        raise RestoreUnfinished(of(blob.body).backup)
