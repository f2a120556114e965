"""Refusals in SCIM's JSON. Imports no library of SCIM, which takes a tenth of a second."""

from __future__ import annotations

from typing import Any

from agnes.kernel.errors import AgnesError

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def error_body(error: AgnesError) -> dict[str, Any]:
    """RFC 7644, 3.12."""
    scim_type = error.facts.get("scim_type")
    detail = error.message + (f". {error.hint}" if error.hint else "")
    return {
        "schemas": [ERROR], "status": str(error.status), "detail": detail,
        **({"scimType": scim_type} if scim_type else {}),
    }  # fmt: skip
