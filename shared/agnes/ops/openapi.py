"""The API's description, as the build composed it from the functions' decorators (`infra/compose.py`)."""

from __future__ import annotations

from functools import cache

from agnes.kernel.errors import UnavailableError
from agnes.ops.version import BUILD


@cache
def document() -> bytes:
    """OpenAPI 3.1 as JSON. Raises UnavailableError where nothing was built."""
    try:
        return (BUILD / "openapi.json").read_bytes()
    except FileNotFoundError as exc:
        raise UnavailableError(
            "the API's description was not built", code="openapi_missing", hint="Run `python -m infra.compose`."
        ) from exc
