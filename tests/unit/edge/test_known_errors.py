"""What an unexpected error becomes: a bug tells nothing, a full disk says so."""

from __future__ import annotations

import errno
import os

import duckdb
import pytest

from agnes.edge.errors import known_error

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/place")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FULL, 503, "disk_full"),
        (duckdb.IOException(f'Could not write file "/secret/place": {FULL.strerror}'), 503, "disk_full"),
        (OSError(errno.EACCES, "Permission denied", "/secret/place"), 500, "internal_error"),
        (KeyError("secret"), 500, "internal_error"),
    ],
)
def test_it_is_told_without_its_details(error: Exception, status: int, code: str, caplog) -> None:
    try:
        raise error
    except Exception as exc:  # as its trace is logged
        found = known_error(exc, request_id="r", where="here")
    assert (found.status, found.code) == (status, code)
    assert "secret" not in f"{found.message} {found.hint}"
    assert found.hint
    assert "secret" in caplog.text + str([record.__dict__ for record in caplog.records]), "the log has them"
