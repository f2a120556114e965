"""How much one repository may ask of us."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Bounds of one fetch. A depth-1 pack and its content must fit in a Lambda's /tmp (512 MB)."""

    refs_bytes: int = 16_000_000
    """An advertisement of 200,000 refs."""
    pack_bytes: int = 100_000_000
    unpacked_bytes: int = 300_000_000
    object_bytes: int = 100_000_000
    """GitHub's limit on a file; one object is held in memory."""
    objects: int = 50_000
    reads: int = 2_000_000
    """Of one answer: a packet takes two, and one of 65,000 bytes as much work as an empty one."""
    folder_bytes: int = 8_000_000
    """Of one folder's list, some 200,000 names; reading one holds ten times as much."""
    entries_walked: int = 1_000_000
    """Of folders and files together, those that lie in several folders each time; and by one walk a fifth of it."""
    entries_met: int = 100_000
    """Of folders on the way to plugins, remembered in 30 MB at most; what is more is read again."""

    def shared(self, share: int) -> Self:
        """Those of each of `share` fetches that together may use what one may."""
        if share == 1:
            return self
        return replace(
            self,
            pack_bytes=self.pack_bytes // share,
            unpacked_bytes=self.unpacked_bytes // share,
            object_bytes=self.object_bytes // share,
        )
