"""What a person typed, and what the client wrote in a person's name: every mark and every form, in one place.

The client writes both as `user` records (and as `attachment` records, when the text arrived while a turn was running).
Newer versions mark who made a record; where the marks are missing, the text itself tells: what the client writes begins
with a tag or a sentence of its own. Sources: records written by both supported versions of the client, and the tables of
tags and origins in their binaries; `tests/journeys/test_prompts.py` tries what can be made without an account. `since` is the
oldest version in which the form was seen; "" means that it was written by clients older than 2.1.197, and perhaps no
longer.
"""

from __future__ import annotations

from typing import NamedTuple


class Form(NamedTuple):
    """One value of a mark, or one beginning of a text."""

    value: str
    is_typed: bool
    """Whether a person wrote it."""
    since: str
    what: str


OLD, V197, V332 = "", "2.1.197", "2.1.332"

ORIGINS = (
    Form("human", True, V197, "typed in a terminal, an editor or a remote client"),
    Form("task-notification", False, V197, "a background command, agent, monitor or schedule reports"),
    Form("peer", False, V197, "a message of another session or agent"),
    Form("coordinator", False, V197, "a message of the session that started this one"),
    Form("channel", False, V197, "a message that a plugin's server pushes into the session"),
    Form("auto-continuation", False, V197, "an accepted plan, or work that goes on by itself"),
    Form("observer", False, V332, "a remark of an observing agent"),
    Form("observer-activity", False, V332, "what an observing agent does"),
    Form("plugin", False, V332, "a prompt that a plugin sends, also in the person's name"),
    Form("slack-ping", False, V332, "a message of a connected channel"),
    Form("voice-call", False, V332, "what was said in a call"),
    Form("unclassified", False, V332, "written by the program that hosts the client"),
)
"""`origin.kind`. Any other kind is not a person's either: that is how the client reads it."""

PROMPT_SOURCES = (
    Form("typed", True, V197, "typed into the input line"),
    Form("queued", True, V197, "typed while a turn was running, taken up when it ended"),
    Form("suggestion_accepted", True, V197, "a suggested prompt that the person accepted"),
    Form("sdk", True, V197, "the prompt of `claude -p` or of a program; a mark of origin says more"),
    Form("system", False, V197, "made by the client"),
)
"""`promptSource`."""

TURN_ORIGINS = (
    Form("human", True, V332, "a person's turn"),
    Form("sdk", True, V332, "the turn of `claude -p` or of a program"),
    Form("unknown", True, V332, "nothing says more"),
    Form("scheduled", False, V332, "a scheduled prompt, or a loop that wakes up"),
    Form("task_notification", False, V332, "a background task reports"),
    Form("auto_continuation", False, V332, "work that goes on by itself"),
    Form("peer", False, V332, "a message of another session or agent"),
    Form("host_synthetic", False, V332, "written by the program that hosts the client"),
    Form("system", False, V332, "made by the client"),
)
"""`turnOrigin`: on the record that opens a turn."""

ROW_SOURCES = (
    Form("local", True, V332, "entered on this machine"),
    Form("recorded", True, V332, "entered before, or by a program"),
    Form("harness", False, V332, "made by the client"),
    Form("hook", False, V332, "the answer of a hook"),
)
"""`rowSource`."""

NOT_TYPED_FLAGS = (
    ("isMeta", OLD, "text for the model: a skill's or command's body, a caveat, a reminder, a hook's feedback"),
    ("isCompactSummary", OLD, "the summary that replaces a compacted conversation"),
    ("isVisibleInTranscriptOnly", OLD, "shown to the person, never sent"),
    ("isVirtual", V197, "not part of the conversation"),
    ("planContent", V197, "a plan that the person accepted: a choice, not a text"),
    ("wakeupSource", V332, "a schedule or a loop began this turn"),
    ("textNotTyped", V332, "the text of a button or of a host's form"),
    ("handedOff", V332, "taken over from another session"),
    ("queueTranscriptOnly", V332, "a queued text that was put back"),
    ("turnCompanion", V332, "an addition of the client to a turn"),
)
"""Fields of a `user` record that say, when true, that no person typed it."""

OPENINGS = (
    Form("<local-command-", False, OLD, "what a local command printed"),
    Form("<local-command-caveat>", False, OLD, "the caveat before a local command"),
    Form("<bash-stdout>", False, OLD, "what a command typed after `!` printed"),
    Form("<bash-stderr>", False, OLD, "what a command typed after `!` printed"),
    Form("<bash-exit-code>", False, V197, "how a command typed after `!` ended"),
    Form("[Request interrupted", False, OLD, "the person pressed Escape, or the session ended"),
    Form("[This turn ended before", False, V332, "an interruption that nobody asked for"),
    Form("[Agent call interrupted", False, V332, "an interruption that nobody asked for"),
    Form("[Tool call did not complete", False, V332, "an interruption that nobody asked for"),
    Form("<task-notification", False, OLD, "a background task reports"),
    Form("<teammate-message", False, OLD, "a message of a teammate agent"),
    Form("<agent-message", False, V197, "a message of another agent"),
    Form("<cross-session-message", False, V197, "a message of another session"),
    Form("<coordinator-relay", False, V332, "a message of the coordinating session"),
    Form("<channel source=", False, V197, "a message that a plugin's server pushes into the session"),
    Form("<slack-ping", False, V332, "a message of a connected channel"),
    Form("<slack-tag-message", False, V332, "a message of a connected channel"),
    Form("<tick", False, V197, "a loop wakes up"),
    Form("<remote-review", False, V197, "the report of a remote review"),
    Form("<fork-boilerplate", False, V197, "what a forked agent is told"),
    Form("<mcp-resource-update", False, OLD, "a server reports a change"),
    Form("<mcp-polling-update", False, OLD, "a server reports a change"),
    Form("<voice-call-talk", False, V332, "what was said in a call"),
    Form("<system-reminder", False, OLD, "a reminder for the model"),
    Form("<system_reminder", False, V332, "a reminder for the model"),
    Form("<ide_selection", False, OLD, "what the editor has selected, beside the person's text"),
    Form("<ide_opened_file", False, OLD, "what the editor shows, beside the person's text"),
    Form("<ide_diagnostics", False, OLD, "what the editor found, beside the person's text"),
    Form("<session-start-hook", False, OLD, "what a hook answered"),
    Form("<user-prompt-submit-hook", False, OLD, "what a hook answered"),
    Form("<post-tool-use-hook", False, OLD, "what a hook answered"),
    Form("Stop hook feedback:", False, OLD, "what a hook answered"),
    Form("Caveat: The messages below were generated by the user", False, OLD, "the caveat before a local command"),
    Form("This session is being continued from a previous conversation", False, OLD, "a compaction summary"),
    Form("Unknown slash command: ", False, OLD, "the client's answer to a command that there is not"),
    Form("Unknown skill: ", False, OLD, "the client's answer to a skill that there is not"),
    Form("<bash-input>", True, OLD, "a command typed after `!`"),
    Form("<user-memory-input>", True, OLD, "a note typed after `#`"),
    Form("<command-message>", True, OLD, "a command that the model is given: a prompt, a skill"),
    Form("<command-name>", True, OLD, "a command that the client runs itself: /clear, /model"),
)
"""How texts begin that the client wraps or writes itself; a longer one wins over a shorter one."""

QUEUED_MODES = (
    Form("prompt", True, OLD, "a text that was queued"),
    Form("bash", True, OLD, "a command typed after `!`, queued"),
    Form("task-notification", False, OLD, "a background task reports"),
)
"""`attachment.commandMode` of a `queued_command`, which is how a text is recorded that a turn took up while it ran."""

SKILL_FORMAT = "<skill-format>true</skill-format>"
"""In a record of `<command-name>` that marks a skill's launch by the model: nobody typed it. Since before 2.1.197."""
