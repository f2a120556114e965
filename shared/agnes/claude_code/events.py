"""The events that the client runs hooks at, each with the version that brought it.

Read in the lists of 2.1.197 and 2.1.332. A file of hooks that names an event which a client does not know runs no hook of that
file in 2.1.197; 2.1.332 leaves the unknown event out and runs the others. Hence those of newer clients are served in a file of
their own (`agnes.trees.hooks`, decision 38).
"""

from __future__ import annotations

from dataclasses import dataclass

from agnes.claude_code.versions import NEWEST, OLDEST


@dataclass(frozen=True, slots=True)
class HookEvent:
    name: str
    since: str = OLDEST
    """The oldest tested version that knows it."""
    is_guard: bool = False
    """Since 2.1.332 a hook of this event that cannot be loaded costs what it is declared in, as it may guard it."""


EVENTS = (
    HookEvent("PreToolUse", is_guard=True),
    HookEvent("PostToolUse"),
    HookEvent("PostToolUseFailure"),
    HookEvent("PostToolBatch"),
    HookEvent("Notification"),
    HookEvent("UserPromptSubmit"),
    HookEvent("UserPromptExpansion"),
    HookEvent("SessionStart"),
    HookEvent("SessionEnd"),
    HookEvent("Stop"),
    HookEvent("StopFailure"),
    HookEvent("SubagentStart"),
    HookEvent("SubagentStop"),
    HookEvent("PreCompact"),
    HookEvent("PostCompact"),
    HookEvent("PreModelSwitch", NEWEST),
    HookEvent("PostModelSwitch", NEWEST),
    HookEvent("PermissionRequest", is_guard=True),
    HookEvent("PermissionDenied"),
    HookEvent("Setup"),
    HookEvent("TeammateIdle"),
    HookEvent("TaskCreated"),
    HookEvent("TaskCompleted"),
    HookEvent("Elicitation"),
    HookEvent("ElicitationResult"),
    HookEvent("ConfigChange"),
    HookEvent("WorktreeCreate"),
    HookEvent("WorktreeRemove"),
    HookEvent("InstructionsLoaded"),
    HookEvent("CwdChanged"),
    HookEvent("FileChanged"),
    HookEvent("DirectoryAdded", NEWEST),
    HookEvent("MessageDisplay"),
    HookEvent("PreSkillShellCommand", NEWEST, is_guard=True),
)
KNOWN = frozenset(event.name for event in EVENTS)
"""To the newest tested version."""
EVERYWHERE = frozenset(event.name for event in EVENTS if event.since == OLDEST)
"""Known to every supported version."""
GUARDS = frozenset(event.name for event in EVENTS if event.is_guard)
SINCE = {event.name: event.since for event in EVENTS}
