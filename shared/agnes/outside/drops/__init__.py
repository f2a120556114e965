"""Drop locations: folders, SFTP servers, prefixes of S3 buckets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from agnes.kernel.drops import Drop, DropRefused, Place
from agnes.kernel.ports import Secret


class OutsideDrops:
    """`allow` is AGNES_OUTBOUND_ALLOW; `own_bucket` is the one that this installation keeps its own bytes in."""

    def __init__(self, *, allow: frozenset[str] = frozenset(), own_bucket: str = "") -> None:
        self._allow = allow
        self._own_bucket = own_bucket

    @contextmanager
    def open(self, place: Place, credential: Secret | None, *, seconds: float) -> Iterator[Drop]:
        self._check(place)
        if place.kind == "folder":
            from agnes.outside.drops.folder import FolderDrop

            yield FolderDrop(seconds=seconds)
        elif place.kind == "s3":
            from agnes.outside.drops.s3 import open_s3

            with open_s3(place, credential, seconds=seconds, allow=self._allow) as drop:
                yield drop
        else:
            from agnes.outside.drops.sftp import open_sftp

            with open_sftp(place, credential, seconds=seconds, allow=self._allow) as drop:
                yield drop

    def host_key(self, place: Place) -> str:
        from agnes.outside.drops.sftp import host_key

        return host_key(place, allow=self._allow)

    def _check(self, place: Place) -> None:
        """Asked again at each use: settings change after a location is saved."""
        if place.kind == "folder" and "folder" not in self._allow:
            raise DropRefused(
                "folders of the server's own machine are not collected",
                code="folder_not_allowed",
                hint="An operator may allow it: AGNES_OUTBOUND_ALLOW=folder.",
            )
        if place.kind == "s3":
            if place.bucket == self._own_bucket:
                raise DropRefused("this is the bucket in which Agnes keeps its own data", code="own_bucket")
            if urlsplit(place.endpoint).scheme == "http" and "http" not in self._allow:
                raise DropRefused(
                    "the endpoint is not https",
                    code="http_not_allowed",
                    hint="An operator may allow it: AGNES_OUTBOUND_ALLOW=http.",
                )
