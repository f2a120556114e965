"""The parts of a manifest that do something (hooks, servers, paths, options), held to what Claude Code takes.

One of them in another form, and the client refuses the plugin's whole manifest: better that its
curator reads the reason at the sync. The forms are those of the version that we pin
(docs/claude-code-client.md); what they say beyond that is passed on as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictStr,
    Tag,
    TypeAdapter,
    WrapValidator,
    model_validator,
)

from agnes.claude_code import hook_guards
from agnes.claude_code.events import GUARDS, KNOWN
from agnes.claude_code.hook_forms import NOT_GIVEN, Matched, Texts, Url, url
from agnes.marketplace.limits import MAX_TEXT_CHARACTERS


def _known_event(value: str) -> str:
    if value not in KNOWN:
        raise ValueError("Claude Code has no such event")
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
_SkillPath = Literal["."] | InnerPath
"""Since a version after 2.1.197 a dot is the plugin's own folder, as `./` is."""
SkillPaths = Annotated[_SkillPath | list[_SkillPath], AsGiven]
MarkdownPaths = MarkdownPath | list[MarkdownPath]


def _whole(value: float) -> float:
    """JSON has one kind of number, so 5.0 is a whole one."""
    if value != int(value) or abs(value) >= 2**53:
        raise ValueError("must be a whole number")
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0), AfterValidator(_whole)]
"""A whole number above 0."""


class _Form(BaseModel):
    """Unknown keys are Claude Code's to ignore."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)


class _Strict(BaseModel):
    """Where Claude Code refuses unknown keys, too."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)


def _with_loadable_guards(table: dict[str, Any]) -> dict[str, Any]:
    """Since 2.1.332 the client leaves out what it cannot load of a table, unless that may guard the plugin's permissions: then it
    does not load the plugin."""
    if lost := hook_guards.lost_in_table(table):
        raise ValueError(lost.removeprefix("hooks."))
    for event in GUARDS & table.keys():
        if table[event] is not None:
            _GROUPS.validate_python(table[event])
    return table


_GROUPS = TypeAdapter(list[Matched], config=ConfigDict(defer_build=True))
HookTable = Annotated[dict[str, Any], AfterValidator(_with_loadable_guards)]
Hooks = Annotated[JsonPath | HookTable | list[JsonPath | HookTable], AsGiven]
EntryTable = dict[Annotated[str, AfterValidator(_known_event)], list[Matched]]
EntryHooks = Annotated[JsonPath | EntryTable | list[JsonPath | EntryTable], AsGiven]
"""In a catalog's entry: for an event or a form that it does not know, the client refuses the entry and so the plugin."""


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


class _Server(_Form):
    timeout: Positive = NOT_GIVEN
    alwaysLoad: StrictBool = NOT_GIVEN  # noqa: N815


class LocalServer(_Server):
    type: Literal["stdio"] = NOT_GIVEN
    command: Word
    args: list[StrictStr] = NOT_GIVEN
    env: Texts = NOT_GIVEN
    bareElicitationCapability: StrictBool = NOT_GIVEN  # noqa: N815


class _ServerAt(_Server):
    url: Annotated[StrictStr, Field(max_length=65_536)]


class SocketServer(_ServerAt):
    type: Literal["ws"]
    headers: Texts = NOT_GIVEN
    headersHelper: StrictStr = NOT_GIVEN  # noqa: N815
    bareElicitationCapability: StrictBool = NOT_GIVEN  # noqa: N815


def _https(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError("must begin with https://")
    return value


class SignIn(_Form):
    """How the client signs in with a server (OAuth)."""

    clientId: StrictStr = NOT_GIVEN  # noqa: N815
    callbackPort: Positive = NOT_GIVEN  # noqa: N815
    authServerMetadataUrl: Annotated[Url, Field(max_length=4_096), AfterValidator(_https)] = NOT_GIVEN  # noqa: N815
    scopes: Word = NOT_GIVEN
    xaa: StrictBool = NOT_GIVEN


class ServerTool(_Form):
    name: StrictStr
    permission_policy: Literal["always_allow", "always_ask", "always_deny"] = NOT_GIVEN


class RemoteServer(_ServerAt):
    type: Literal["sse", "http", "streamable-http"]
    headers: Texts = NOT_GIVEN
    headersHelper: StrictStr = NOT_GIVEN  # noqa: N815
    oauth: SignIn = NOT_GIVEN
    tools: list[ServerTool] = NOT_GIVEN
    toolPermissions: dict[str, Literal["allow", "ask", "blocked"]] = NOT_GIVEN  # noqa: N815
    bareElicitationCapability: StrictBool = NOT_GIVEN  # noqa: N815
    discoveryCache: StrictBool = NOT_GIVEN  # noqa: N815


class EditorServer(_ServerAt):
    type: Literal["sse-ide", "ws-ide"]
    ideName: StrictStr  # noqa: N815
    ideRunningInWindows: StrictBool = NOT_GIVEN  # noqa: N815


class ProxiedServer(_ServerAt):
    type: Literal["claudeai-proxy"]
    id: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class ProgramServer(_Server):
    type: Literal["sdk"]
    name: StrictStr


OWN_SERVER_TYPES = ("sse-ide", "ws-ide", "sdk", "claudeai-proxy")
"""Servers of the client itself. In a plugin 2.1.332 takes the form and starts none of them."""


def _form_of_server(server: Any) -> str:
    """The form that is meant, so that what is wrong is said of that one. Without a type it is a program."""
    if not isinstance(server, dict):
        return "LocalServer"
    kind = server.get("type")
    if kind == "stdio" or (kind is None and ("command" in server or "url" not in server)):
        return "LocalServer"
    return _FORM_BY_TYPE.get(kind, "RemoteServer") if isinstance(kind, str) else "RemoteServer"


_FORM_BY_TYPE = {
    "ws": "SocketServer",
    "sse-ide": "EditorServer",
    "ws-ide": "EditorServer",
    "sdk": "ProgramServer",
    "claudeai-proxy": "ProxiedServer",
}
Server = Annotated[
    Annotated[LocalServer, Tag("LocalServer")]
    | Annotated[RemoteServer, Tag("RemoteServer")]
    | Annotated[SocketServer, Tag("SocketServer")]
    | Annotated[EditorServer, Tag("EditorServer")]
    | Annotated[ProxiedServer, Tag("ProxiedServer")]
    | Annotated[ProgramServer, Tag("ProgramServer")],
    Discriminator(_form_of_server),
]


def _bundle_address(value: str) -> str:
    if not value.startswith("./"):
        url(value)
    return value


BundlePath = Annotated[Text, _ending(".mcpb", ".dxt"), AfterValidator(_bundle_address)]
ServerTable = dict[str, Server]
Servers = Annotated[JsonPath | BundlePath | ServerTable | list[JsonPath | BundlePath | ServerTable], AsGiven]


def _program(value: str) -> str:
    if " " in value and not value.startswith("/"):
        raise ValueError("must not have blanks, arguments go to `args`")
    return value


def _extension(value: str) -> str:
    if not value.startswith(".") or len(value) == 1:
        raise ValueError("a file extension must begin with a dot")
    return value


class LanguageServer(_Strict):
    command: Annotated[Word, AfterValidator(_program)]
    args: list[Word] = NOT_GIVEN
    extensionToLanguage: Annotated[  # noqa: N815
        dict[Annotated[StrictStr, AfterValidator(_extension)], Word], Field(min_length=1)
    ]
    transport: Literal["stdio", "socket"] = NOT_GIVEN
    env: Texts = NOT_GIVEN
    initializationOptions: Any = None  # noqa: N815
    settings: Any = None
    workspaceFolder: StrictStr = NOT_GIVEN  # noqa: N815
    startupTimeout: Positive = NOT_GIVEN  # noqa: N815
    shutdownTimeout: Positive = NOT_GIVEN  # noqa: N815
    requestTimeout: Annotated[Positive, Field(le=2**31 - 1)] = NOT_GIVEN  # noqa: N815
    """Since a version after 2.1.197, which refuses the plugin for it."""
    restartOnCrash: StrictBool = NOT_GIVEN  # noqa: N815
    maxRestarts: Annotated[Number, Field(ge=0), AfterValidator(_whole)] = NOT_GIVEN  # noqa: N815
    diagnostics: StrictBool = NOT_GIVEN


LanguageTable = dict[str, LanguageServer]
LanguageServers = Annotated[JsonPath | LanguageTable | list[JsonPath | LanguageTable], AsGiven]


class Command(_Form):
    source: InnerPath = NOT_GIVEN
    content: StrictStr = NOT_GIVEN
    description: StrictStr = NOT_GIVEN
    argumentHint: StrictStr = NOT_GIVEN  # noqa: N815
    model: StrictStr = NOT_GIVEN
    allowedTools: list[StrictStr] = NOT_GIVEN  # noqa: N815

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if bool(self.source) == bool(self.content):
            raise ValueError("a command has either a source or a content")
        return self


Commands = Annotated[Paths | dict[str, Command], AsGiven]


def _when(value: str) -> str:
    if value != "always" and not (value.startswith(_ON_SKILL) and len(value) > len(_ON_SKILL)):
        raise ValueError(f"must be always, or {_ON_SKILL}<skill>")
    return value


_ON_SKILL = "on-skill-invoke:"


class Monitor(_Strict):
    name: Word
    command: Word
    description: Word
    when: Annotated[StrictStr, AfterValidator(_when)] = NOT_GIVEN


def _names_once(value: list[Monitor]) -> list[Monitor]:
    if len({one.name for one in value}) < len(value):
        raise ValueError("two monitors have one name")
    return value


MonitorList = Annotated[list[Monitor], AfterValidator(_names_once)]
Monitors = Annotated[JsonPath | MonitorList, AsGiven]


def _choices(value: list[str]) -> list[str]:
    for one in value:
        if not one or len(one) > MAX_CHOICE_CHARACTERS or one != one.strip():
            raise ValueError(f"an option has 1 to {MAX_CHOICE_CHARACTERS} characters, and no blank at its ends")
        if any(c != " " and unicodedata.category(c) in _UNSEEN for c in one):
            raise ValueError("an option has no invisible characters")
    if not value or len({one.lower() for one in value}) < len(value):
        raise ValueError("must have one value or more, none of them twice")
    return value


MAX_CHOICE_CHARACTERS = 64
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")


class Option(_Strict):
    type: Literal["string", "number", "boolean", "directory", "file"]
    title: StrictStr
    description: StrictStr
    required: StrictBool = NOT_GIVEN
    default: StrictStr | StrictBool | Number | list[StrictStr] = NOT_GIVEN
    multiple: StrictBool = NOT_GIVEN
    sensitive: StrictBool = NOT_GIVEN
    min: Number = NOT_GIVEN
    max: Number = NOT_GIVEN
    options: Annotated[list[StrictStr], AfterValidator(_choices)] = NOT_GIVEN
    """The only values that it takes. Since a version after 2.1.197, which refuses the plugin for it."""

    @model_validator(mode="after")
    def _one_of_its_options(self) -> Self:
        if self.options is None:
            return self
        if self.type != "string" or self.multiple or self.sensitive:
            raise ValueError("options are for a string that is neither multiple nor sensitive")
        if self.default is None:
            if not self.required:
                raise ValueError("with options it needs a default among them, or must be required")
        elif self.default not in self.options:
            raise ValueError("the default must be one of the options")
        return self


Options = Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Option], AsGiven]


class Channel(_Strict):
    server: Word
    displayName: StrictStr = NOT_GIVEN  # noqa: N815
    userConfig: dict[str, Option] = NOT_GIVEN  # noqa: N815


PluginName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]*$")]


class NamedDependency(_Form):
    name: PluginName
    marketplace: PluginName | None = None


Dependency = (
    Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]*(@[A-Za-z0-9][-A-Za-z0-9._]*)?(@\^[^@]*)?$")]
    | NamedDependency
)


class Grammar(_Strict):
    id: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
    remote: Annotated[
        StrictStr,
        Field(
            max_length=256,
            pattern=r"^(npm:[@a-z0-9/._-]+(@[a-z0-9._+-]+)?|github:[\w.-]+/[\w.-]+@[\w./-]+#.+\.js)$",
        ),
    ] = NOT_GIVEN
    integrity: Annotated[StrictStr, Field(max_length=512, pattern=r"^sha(256|384|512)-[A-Za-z0-9+/=]+$")] = NOT_GIVEN


class Highlighting(_Strict):
    hljsLanguages: Annotated[list[Grammar], Field(max_length=16)]  # noqa: N815


class Experimental(_Form):
    themes: Paths = NOT_GIVEN
    monitors: Monitors = NOT_GIVEN
    outputStyles: Paths = NOT_GIVEN  # noqa: N815
    syntaxHighlighting: Highlighting = NOT_GIVEN  # noqa: N815
    evals: StrictStr | list[StrictStr] = NOT_GIVEN


def _types(value: str) -> str:
    if not value.endswith(".d.ts") or ".." in re.split(r"[\\/]", value):
        raise ValueError("must name a .d.ts file in the plugin")
    return value


TypesPath = Annotated[InnerPath, AfterValidator(_types)]


def newer_forms(manifest: Mapping[str, Any]) -> list[str]:
    """What the oldest supported client refuses a plugin.json for, although the newest takes it."""
    tables = manifest.get("lspServers")
    servers = [table for table in (tables if isinstance(tables, list) else [tables]) if isinstance(table, dict)]
    channels = manifest.get("channels")
    asked = [manifest, *(channels if isinstance(channels, list) else [])]
    found = [f"lspServers: {name}: requestTimeout" for table in servers for name in _with(table, "requestTimeout")]
    found += [
        f"userConfig: {key}: options"
        for one in asked
        if isinstance(one, dict)
        for key in _with(one.get("userConfig"), "options")
    ]
    return found


def _with(table: Any, field: str) -> list[str]:
    """The keys of a table whose values have a field."""
    return (
        [key for key, value in table.items() if isinstance(value, dict) and field in value]
        if isinstance(table, dict)
        else []
    )
