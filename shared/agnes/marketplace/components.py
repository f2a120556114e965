"""The parts of a manifest that do something (hooks, servers, paths, options), held to what Claude Code takes.

One of them in another form, and the client refuses the plugin's whole manifest: better that its
curator reads the reason at the sync. The forms are those of the version that we pin
(docs/claude-code-client.md); what they say beyond that is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    TypeAdapter,
    WrapValidator,
    model_validator,
)

from agnes.claude_code import hook_guards
from agnes.claude_code.events import EVERYWHERE, GUARDS, KNOWN
from agnes.marketplace.limits import MAX_TEXT_CHARACTERS


def _event_everywhere(value: str) -> str:
    if value not in EVERYWHERE:
        since = "older than the newest" if value in KNOWN else "tested"
        raise ValueError(f"no {since} Claude Code has such an event")
    return value


def _inner_path(value: str) -> str:
    if not value.startswith("./"):
        raise ValueError("must begin with ./")
    return value


def _ending(*endings: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.endswith(endings):
            raise ValueError(f"must end in {' or '.join(endings)}")
        return value

    return AfterValidator(check)


def _as_given(value: Any, check: Callable[[Any], Any]) -> Any:
    """What is checked is passed on as it came, unknown keys and all."""
    check(value)
    return value


AsGiven = WrapValidator(_as_given)

Text = Annotated[StrictStr, Field(max_length=MAX_TEXT_CHARACTERS)]
Word = Annotated[StrictStr, Field(min_length=1)]
InnerPath = Annotated[Text, AfterValidator(_inner_path)]
JsonPath = Annotated[InnerPath, _ending(".json")]
MarkdownPath = Annotated[InnerPath, _ending(".md")]
Paths = InnerPath | list[InnerPath]
MarkdownPaths = MarkdownPath | list[MarkdownPath]
Texts = dict[str, StrictStr]
Seconds = Annotated[float, Field(gt=0, strict=True)]


class _Form(BaseModel):
    """Unknown keys are Claude Code's to ignore."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Strict(BaseModel):
    """Where Claude Code refuses unknown keys, too."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Hook(_Form):
    timeout: Seconds | None = None


class CommandHook(_Hook):
    type: Literal["command"]
    command: StrictStr
    args: list[StrictStr] = []


class PromptHook(_Hook):
    type: Literal["prompt", "agent"]
    prompt: StrictStr


class ToolHook(_Hook):
    type: Literal["mcp_tool"]
    server: StrictStr
    tool: StrictStr


class HttpHook(_Hook):
    type: Literal["http"]
    url: StrictStr
    headers: Texts = {}


class Matched(_Form):
    matcher: StrictStr = ""
    hooks: list[Annotated[CommandHook | PromptHook | ToolHook | HttpHook, Field(discriminator="type")]]


def _with_loadable_guards(table: dict[str, Any]) -> dict[str, Any]:
    """Since 2.1.332 the client leaves out what it cannot load of a table, unless that may guard the plugin's permissions: then it
    does not load the plugin."""
    if lost := hook_guards.lost_in_table(table):
        raise ValueError(lost.removeprefix("hooks."))
    for event in GUARDS & table.keys():
        if table[event] is not None:
            _GROUPS.validate_python(table[event])
    return table


_GROUPS = TypeAdapter(list[Matched])
HookTable = Annotated[dict[str, Any], AfterValidator(_with_loadable_guards)]
Hooks = Annotated[JsonPath | HookTable | list[JsonPath | HookTable], AsGiven]
EntryTable = dict[Annotated[str, AfterValidator(_event_everywhere)], list[Matched]]
EntryHooks = Annotated[JsonPath | EntryTable | list[JsonPath | EntryTable], AsGiven]
"""In a catalog's entry, which has no files to put others in."""


class HooksFile(_Form):
    """`hooks/hooks.json`, or another that a manifest names. Its table is judged by events, not here."""

    description: StrictStr = ""
    hooks: dict[str, Any] = {}
    modules: Annotated[list[StrictStr], Field(max_length=1)] = []
    """At most one hooks module, relative to the file."""

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, given: Any) -> Any:
        if isinstance(given, dict):
            if "surface" in given:
                raise ValueError("`surface` is of earlier versions: a client element names its module")
            if "hooks" not in given and not given.get("modules"):
                raise ValueError("it has neither `hooks` nor `modules`")
        return given


class LocalServer(_Form):
    type: Literal["stdio"] = "stdio"
    command: Word
    args: list[StrictStr] = []
    env: Texts = {}


class RemoteServer(_Form):
    type: Literal["sse", "http", "streamable-http", "ws"]
    url: StrictStr
    headers: Texts = {}


BundlePath = Annotated[Text, _ending(".mcpb", ".dxt")]
ServerTable = dict[str, LocalServer | RemoteServer]
Servers = Annotated[JsonPath | BundlePath | ServerTable | list[JsonPath | BundlePath | ServerTable], AsGiven]


class LanguageServer(_Strict):
    command: Word
    args: list[Word] = []
    extensionToLanguage: Annotated[dict[str, Word], Field(min_length=1)]  # noqa: N815
    transport: Literal["stdio", "socket"] = "stdio"
    env: Texts = {}
    initializationOptions: Any = None  # noqa: N815
    settings: Any = None
    workspaceFolder: StrictStr = ""  # noqa: N815
    startupTimeout: int = 1  # noqa: N815
    shutdownTimeout: int = 1  # noqa: N815
    restartOnCrash: StrictBool = False  # noqa: N815
    maxRestarts: int = 0  # noqa: N815
    diagnostics: StrictBool = False


LanguageTable = dict[str, LanguageServer]
LanguageServers = Annotated[JsonPath | LanguageTable | list[JsonPath | LanguageTable], AsGiven]


class Command(_Form):
    source: InnerPath | None = None
    content: StrictStr | None = None
    allowedTools: list[StrictStr] = []  # noqa: N815

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if bool(self.source) == bool(self.content):
            raise ValueError("a command has either a source or a content")
        return self


Commands = Annotated[Paths | dict[str, Command], AsGiven]


class Monitor(_Strict):
    name: Word
    command: Word
    description: Word
    when: StrictStr = "always"


MonitorList = list[Monitor]
Monitors = Annotated[JsonPath | MonitorList, AsGiven]


class Option(_Strict):
    type: Literal["string", "number", "boolean", "directory", "file"]
    title: StrictStr
    description: StrictStr
    required: StrictBool = False
    default: StrictStr | StrictBool | int | float | list[StrictStr] | None = None
    multiple: StrictBool = False
    sensitive: StrictBool = False
    min: float | None = None
    max: float | None = None


Options = Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Option], AsGiven]


class Channel(_Strict):
    server: Word
    displayName: StrictStr = ""  # noqa: N815
    userConfig: dict[str, Option] = {}  # noqa: N815


PluginName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]*$")]


class NamedDependency(_Form):
    name: PluginName
    marketplace: PluginName | None = None


Dependency = (
    Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]*(@[A-Za-z0-9][-A-Za-z0-9._]*)?(@\^[^@]*)?$")]
    | NamedDependency
)


class Experimental(_Form):
    themes: Paths | None = None
    monitors: Monitors | None = None
    outputStyles: Paths | None = None  # noqa: N815
