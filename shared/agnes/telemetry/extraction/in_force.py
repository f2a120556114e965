"""Whom a response is for: the skill and the agent in force, their plugins, and whether the skill itself worked on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agnes.telemetry.extraction import served as names
from agnes.telemetry.extraction.records import Marks, Record
from agnes.telemetry.extraction.served import Item, Served, ServedPlugin
from agnes.telemetry.model import Event

_COMMAND_BEGINS = ("<command-message>", "<command-name>")

Caused = dict[tuple[str | None, ...], tuple[Any, ...]]
"""What attributions were found to stand for."""


class InForce:
    """Of one thread: a session's own, or a subagent's.

    The client stamps a skill from the response after its call until the next skill or prompt, and gives the stamp to the subagents that
    are started meanwhile. The skill itself works while its text is the latest instruction in its thread; what comes under its stamp
    after another instruction, or in a subagent with instructions of its own, it carries (docs/telemetry.md).
    """

    __slots__ = ("_caused", "_clean", "_is_elsewhere", "_is_subagent", "_names", "_said", "_served", "skill")

    def __init__(
        self, served: Served, clean: Mapping[str | None, str | None], caused: Caused, *, is_subagent: bool
    ) -> None:
        self._served = served
        self._clean = clean
        self._caused = caused
        self._is_subagent = is_subagent
        self._is_elsewhere = is_subagent
        """Whether the latest instruction was another than the skill's text."""
        self.skill: str | None = None
        """That the last response was stamped with."""
        self._said: tuple[str | None, str | None, str | None] = (None, None, None)
        """Of the record before: most have the same attribution."""
        self._names: tuple[str | None, str | None, str | None] = (None, None, None)

    def attribute(self, event: Event, record: Record) -> tuple[str | None, ...]:
        """As the client wrote it: plugin, skill and agent."""
        said = record.attributionPlugin, record.attributionSkill, record.attributionAgent
        if said != self._said:
            clean = self._clean
            self._said, self._names = said, (clean[said[0]], clean[said[1]], clean[said[2]])
        event.attribution_plugin, event.attribution_skill, event.attribution_agent = names = self._names
        return names

    def put_into(self, event: Event, record: Record) -> None:
        """What the tokens of a response count for: the plugin that caused it, the skill and the agent in force."""
        caused = self.attribute(event, record)
        items = self._caused.get(caused)
        if items is None:
            items = self._caused[caused] = self._items(*caused)
        item, of, agent = items
        if item is not None:
            count_for(event, item)
        elif of is not None:
            event.source, event.marketplace_id, event.plugin = of.source, of.marketplace_id, of.plugin
        if agent is not None:
            event.agent_source, event.agent_marketplace_id = agent.source, agent.marketplace_id
            event.agent_plugin, event.agent_name = agent.plugin, agent.name
        event.carried = self._is_carried(record)

    def launched(self) -> None:
        """A skill was called: its text follows."""
        if not self._is_subagent:
            self._is_elsewhere = False

    def told(self) -> None:
        """Somebody was heard while the turn went on."""
        self._is_elsewhere = True

    def instructed(self, record: Record, marks: Marks, texts: Sequence[str], *, is_first: bool) -> None:
        """By a record of the user that is no result."""
        if self._is_subagent:
            if is_first:  # a skill with a context of its own begins with its text, a subagent with its caller's words
                self._is_elsewhere = not marks.isMeta
        elif not (marks.isMeta or marks.isCompactSummary or record.isSidechain):
            self._is_elsewhere = True
            for said in texts:
                if said.startswith(_COMMAND_BEGINS):
                    self._is_elsewhere = False

    def _is_carried(self, record: Record) -> bool:
        skill = record.attributionSkill
        if skill is None:
            return False
        if not self._is_subagent and not record.isSidechain and skill != self.skill:
            self._is_elsewhere = False
        self.skill = skill
        # A subagent that no agent's type names is the skill itself, run in a context of its own.
        return self._is_elsewhere and (record.attributionAgent is not None or not self._is_subagent)

    def _items(
        self, plugin: str | None, skill: str | None, agent: str | None
    ) -> tuple[Item | None, ServedPlugin | Item | None, Item | None]:
        """The skill in force, else what the plugin or the agent is served as, and the agent in force."""
        if plugin and skill and ":" not in skill:
            skill = f"{plugin}:{skill}"
        item = self._served.item(skill, names.SKILL, names.COMMAND)
        by = self._served.item(agent, names.AGENT)
        return item, self._served.plugin(plugin) or by, by


def count_for(event: Event, item: Item | None) -> None:
    if item is not None:
        event.source, event.marketplace_id, event.plugin = item.source, item.marketplace_id, item.plugin
        event.item_kind, event.item_name = item.kind, item.name
