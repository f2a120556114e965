"""The forms of one hook: what the client takes in `hooks` of a matcher.

Read in 2.1.197 and 2.1.332, which differ in fields of later versions alone, and held by `tests/journeys/test_manifest_forms.py`.
Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AnyUrl, BaseModel, ConfigDict, Field, StrictBool, StrictStr, TypeAdapter

_URL = TypeAdapter(AnyUrl)


def url(value: str) -> str:
    try:
        _URL.validate_python(value.strip())
    except ValueError:
        raise ValueError("must be a URL") from None
    return value


Url = Annotated[StrictStr, AfterValidator(url)]
Seconds = Annotated[float, Field(gt=0, strict=True)]
Texts = dict[str, StrictStr]
NOT_GIVEN: Any = None
"""A field that may be missing; null is refused, as the client refuses it."""


class _Hook(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)

    if_: StrictStr = Field(NOT_GIVEN, alias="if")
    timeout: Seconds = NOT_GIVEN
    statusMessage: StrictStr = NOT_GIVEN  # noqa: N815
    once: StrictBool = NOT_GIVEN


class CommandHook(_Hook):
    type: Literal["command"]
    command: StrictStr
    args: list[StrictStr] = NOT_GIVEN
    shell: Literal["bash", "powershell"] = NOT_GIVEN
    onFailure: Literal["continue", "block"] = NOT_GIVEN  # noqa: N815
    async_: StrictBool = Field(NOT_GIVEN, alias="async")
    asyncRewake: StrictBool = NOT_GIVEN  # noqa: N815
    holdsTools: StrictBool = NOT_GIVEN  # noqa: N815
    rewakeMessage: Annotated[StrictStr, Field(min_length=1)] = NOT_GIVEN  # noqa: N815
    rewakeSummary: Annotated[StrictStr, Field(min_length=1)] = NOT_GIVEN  # noqa: N815


class PromptHook(_Hook):
    type: Literal["prompt"]
    prompt: StrictStr
    model: StrictStr = NOT_GIVEN
    continueOnBlock: StrictBool = NOT_GIVEN  # noqa: N815


class AgentHook(_Hook):
    type: Literal["agent"]
    prompt: StrictStr
    model: StrictStr = NOT_GIVEN


class ToolHook(_Hook):
    type: Literal["mcp_tool"]
    server: StrictStr
    tool: StrictStr
    input: dict[str, Any] = NOT_GIVEN


class HttpHook(_Hook):
    type: Literal["http"]
    url: Url
    headers: Texts = NOT_GIVEN
    allowedEnvVars: list[StrictStr] = NOT_GIVEN  # noqa: N815
    onFailure: Literal["continue", "block"] = NOT_GIVEN  # noqa: N815


Hook = Annotated[CommandHook | PromptHook | AgentHook | ToolHook | HttpHook, Field(discriminator="type")]


class Matched(BaseModel):
    """A matcher with its hooks."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)

    matcher: StrictStr = NOT_GIVEN
    hooks: list[Hook]


_MATCHED = TypeAdapter(Matched)


def is_matched(group: Any) -> bool:
    """Whether every supported version takes this matcher and all of its hooks."""
    try:
        _MATCHED.validate_python(group)
    except ValueError:
        return False
    return True
