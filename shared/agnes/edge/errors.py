"""Errors become one JSON shape: `{code, message, hint, request_id}` and the facts that a leaf adds."""

from __future__ import annotations

import errno
import logging
import os
import traceback
from typing import Any

import pydantic

from agnes.edge.reply import Reply
from agnes.kernel.errors import AgnesError, InvalidError, LimitError, UnavailableError
from agnes.kernel.reasons import reason

log = logging.getLogger("agnes.edge")

NAMED_FIELDS, NAMED_CHARACTERS = 8, 64
"""What a message names; `errors` has all of it."""
NO_ROOM = os.strerror(errno.ENOSPC)
CORRECT_FIELDS = "Correct the fields named in `errors`."


class DiskFull(UnavailableError):
    code = "disk_full"


def error_body(error: AgnesError, request_id: str) -> dict[str, Any]:
    return {
        **error.facts,
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "request_id": request_id,
    }


def error_reply(error: AgnesError, request_id: str) -> Reply:
    headers = {}
    if isinstance(error, LimitError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="agnes"'
    return Reply(body=error_body(error, request_id), status=error.status, headers=headers)


def known_error(exc: Exception, *, request_id: str, where: str) -> AgnesError:
    """`exc` as a member of the family; anything unknown is a bug: logged whole, answered as a bare 500."""
    if isinstance(exc, AgnesError):
        if exc.status >= 500 and (NO_ROOM in exc.message or NO_ROOM in str(exc.__cause__)):
            log.error("%s: %s", where, exc.message, extra={"request_id": request_id, "code": DiskFull.code})
            return _disk_full()
        if exc.status >= 500:
            log.warning("%s", exc.message, extra={"request_id": request_id, "where": where, "code": exc.code})
        return exc
    if NO_ROOM in str(exc):  # of the system, or of DuckDB in the system's words
        log.error("%s: %s", where, exc, extra={"request_id": request_id, "where": where, "code": DiskFull.code})
        return _disk_full()
    log.error(
        "unexpected %s in %s",
        type(exc).__name__,
        where,
        extra={"request_id": request_id, "where": where, "trace": traceback.format_exc()},
    )
    return AgnesError("something went wrong on our side", hint="Tell an operator the request_id.")


def _disk_full() -> DiskFull:
    return DiskFull(
        "the disk of this server is full, so nothing was changed",
        hint="Reading goes on. Tell an operator; try again once there is room.",
    )


def invalid_input(exc: pydantic.ValidationError, part: str) -> InvalidError:
    """Every field that is wrong, in one answer; values are not repeated, they may be secrets."""
    errors = [
        {"field": ".".join(str(piece) for piece in error["loc"]) or part, "reason": reason(error)}
        for error in exc.errors(include_url=False, include_input=False)
    ]
    named = [f"{error['field'][:NAMED_CHARACTERS]}: {error['reason']}" for error in errors[:NAMED_FIELDS]]
    if len(errors) > NAMED_FIELDS:
        named.append(f"and {len(errors) - NAMED_FIELDS} more")
    return InvalidError(
        f"{part}: {'; '.join(named)}",
        code="invalid_input",
        hint=CORRECT_FIELDS,
        errors=errors,
    )


def field_errors(error: AgnesError) -> list[tuple[str, str]]:
    """(field, reason) of what `invalid_input` found, in its order; of every other error none."""
    lines = error.facts.get("errors")
    return [(str(line["field"]), str(line["reason"])) for line in lines] if isinstance(lines, list) else []
