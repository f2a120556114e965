"""Why a value is refused, in our words: what it must be. Pydantic finds it; its own words speak of Python.

Said of a field that is named before: "days: must be 365 or less".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_WHOLE = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "json_invalid": "must be JSON",
    "none_required": "must be null",
    "timezone_aware": "must say its time zone, such as Z",
    "int_from_float": "must be a whole number",
    "finite_number": "must be a finite number",
    "union_tag_not_found": "must say of which kind it is",
}
_BOUNDS = {
    "ge": "must be {ge} or more",
    "gt": "must be more than {gt}",
    "le": "must be {le} or less",
    "lt": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "min_length": "must have {min_length} {unit} or more",
    "max_length": "must have {max_length} {unit} or less",
    "pattern": "must have the form {pattern}",
    "expected": "must be {expected}",
    "expected_tags": "must be one of the kinds {expected_tags}",
}
"""By what pydantic tells beside the kind of the error."""
_UNITS = {"string": "characters", "bytes": "bytes", "url": "characters"}
_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "date": "a day such as 2026-11-01",
    "datetime": "a time such as 2026-11-01T09:00:00Z",
    "url": "a URL",
    "uuid": "a UUID",
    **dict.fromkeys(("list", "tuple", "set", "frozen_set", "deque", "iterable"), "a list"),
    **dict.fromkeys(("dict", "mapping", "model", "dataclass", "arguments"), "an object"),
}
"""What a value should have been, by how the names of its errors begin."""
_OWN = re.compile(r"(Value error|Assertion failed), ")
_SHOULD = re.compile(r"^.*?\bshould ")


def reason(error: Mapping[str, Any]) -> str:
    """Of one of `ValidationError.errors()`, with its context. Names no value that was given."""
    kind, said = error["type"], error.get("ctx", {})
    if kind in _WHOLE:
        return _WHOLE[kind]
    begins = next((name for name in sorted(_KINDS, key=len, reverse=True) if kind.startswith(f"{name}_")), "")
    if said.get("min_length") == 1:
        return "must not be empty"
    for name, sentence in _BOUNDS.items():
        if name in said:
            return sentence.format(
                **{key: _whole(value) for key, value in said.items()}, unit=_UNITS.get(begins, "entries")
            )
    if kind.endswith(("_type", "_parsing", "_parsing_size", "_unicode")) and begins:
        return f"must be {_KINDS[begins]}"
    # What our own validators raise is in our words; of the rest only the grammar is pydantic's.
    return _SHOULD.sub("must ", _OWN.sub("", error["msg"]))


def _whole(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
