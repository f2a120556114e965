"""The multipart form of an upload: its one file."""

from __future__ import annotations

import io

from multipart import MultipartError, MultipartParser, parse_options_header

from agnes.kernel.errors import BadRequestError, UnsupportedError

FIELD = "file"


def file_of(content_type: str, body: bytes) -> tuple[str, bytes]:
    """Filename and content of the field `file`. Raises UnsupportedError, BadRequestError."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedError("send multipart/form-data", hint="The transcript is the field `file`.")
    try:
        parser = MultipartParser(
            io.BytesIO(body),
            options["boundary"],
            content_length=len(body),
            part_limit=8,
            header_limit=8,
            memory_limit=len(body) + 1,
            disk_limit=0,
            spool_limit=len(body) + 1,
            strict=True,
        )
        part = parser.get(FIELD)
        if part is None or not part.filename:
            raise BadRequestError("the form has no file named `file`", code="missing_file")
        return part.filename, part.raw
    except MultipartError as exc:
        raise BadRequestError(f"the form cannot be read: {exc}", code="invalid_form") from exc
