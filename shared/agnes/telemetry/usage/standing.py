"""What plugins cost by being there, and which of them nobody uses: *standing* tokens, of people and plugins.

A plugin's names and descriptions are in the context of every conversation that it is loaded in, and each request pays for them.
Two sources, never mixed:

    measured    the client's own listings say which plugins a session had before the model, and how large they were
    projected   sessions of clients that write no listings: what `claude plugin details` estimates for the plugin, in every
                request of the session, of plugins that are in the person's stack and were there on that day

A token of a listing costs what its request paid for it: a cache write where it is new in the context (the first request of a
conversation, or after a compaction), then a cache read; a cache write or input where a request read nothing from the cache.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final, Literal

from agnes.accounts import directory
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.stack import service as stack
from agnes.stack.model import StackEntity, StackPlugin
from agnes.telemetry import keys
from agnes.telemetry.model import FILE
from agnes.telemetry.usage.model import Span, span_of
from agnes.telemetry.usage.standing_figures import Described, Key, Measured, Standing, describe, measure, total

FILES = (FILE, *stack.FILES)
WINDOW: Final = "30d"
"""A month, as everywhere."""
NEW_DAYS = 7
"""A plugin that came later is not called unused."""
MOST_PEOPLE = 50
"""Of one plugin that an admin's list names."""


@dataclass(frozen=True, slots=True)
class MyPlugin:
    """A plugin in one's own stack, or one that was loaded without being in it."""

    source: str
    marketplace_id: str
    plugin: str
    title: str
    in_stack: bool
    locked: Literal["", "required", "system"]
    """Why the person cannot take it off."""
    added_at: datetime | None
    uses: int
    last_used_at: datetime | None
    """Within the window."""
    is_counted: bool
    """Whether it has something that a use can be counted of; hooks and the like work unasked."""
    unused: bool
    """In the stack for a week or more, has something to call, and nothing of it was called in the window."""
    basis: Literal["measured", "projected", "both", "none"]
    standing: Standing
    remove_path: str
    """Of the API: DELETE takes it off. Empty where it is not the person's to take off."""


@dataclass(frozen=True, slots=True)
class MyStanding:
    since: date
    until: date
    sessions: int
    """Of the person, with at least one response."""
    projected_sessions: int
    unused: tuple[MyPlugin, ...]
    """The most expensive first."""
    others: tuple[MyPlugin, ...]
    unused_cost_usd: float | None
    standing_cost_usd: float | None
    """Of everything that was loaded."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a plugin and does not use it: whom to ask."""

    user_id: str
    email: str
    name: str
    sessions: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class PluginStanding:
    """A plugin in the stacks of an organisation."""

    source: str
    marketplace_id: str
    plugin: str
    title: str
    curator: str
    """Who answers for it: the marketplace's curator or the flea entity's owner."""
    is_system: bool
    people: int
    """Active accounts that have it and had a session in the window."""
    used_by: int
    uses: int
    is_counted: bool
    unused: bool
    """Somebody has it, it has something to call, and nobody called anything of it in the window."""
    basis: Literal["measured", "projected", "both", "none"]
    standing: Standing
    idle_people: int
    """Those who have it and called nothing of it."""
    idle_cost_usd: float | None
    """What it cost them."""
    ask: tuple[Holder, ...]
    """The first of them, the most expensive first."""


@dataclass(frozen=True, slots=True)
class OrganisationStanding:
    since: date
    until: date
    people: int
    """With a session in the window."""
    sessions: int
    projected_sessions: int
    plugins: tuple[PluginStanding, ...]
    """What costs most without being used first."""
    idle_cost_usd: float | None
    standing_cost_usd: float | None


def mine(state: State, store: ObjectStore, who: Principal, *, now: datetime) -> MyStanding:
    """The plugins of one's own stack, and what was loaded besides. Raises UnavailableError."""
    span = span_of(WINDOW, now.date())
    user_id = keys.user(who.user_id)
    with state.read(*FILES, spare=stack.SPARED) as db:
        lines, described = stack.my_stack(db, who), describe(db)
    found = measure(state, store, span, user_id)
    plugins = [_curated_line(line) for line in lines.curated if line.enabled]
    plugins += [_entity_line(line) for line in lines.store]
    held = {(one.source, one.marketplace_id, one.plugin) for one in plugins}
    loaded = {key for _, key in (*found.of, *found.uses)} - held
    plugins += [_line(key, described.get(key), in_stack=False) for key in sorted(loaded)]
    shown = [_complete(one, user_id, found, described, span=span, now=now) for one in plugins]
    shown.sort(key=lambda one: (-(one.standing.total_usd or 0), -one.standing.tokens, one.title.casefold(), one.plugin))
    unused = tuple(one for one in shown if one.unused)
    return MyStanding(
        since=span.since,
        until=span.until,
        sessions=found.sessions.get(user_id, 0),
        projected_sessions=sum(day.sessions for day in found.unlisted.get(user_id, {}).values()),
        unused=unused,
        others=tuple(one for one in shown if not one.unused),
        unused_cost_usd=total(one.standing.total_usd for one in unused),
        standing_cost_usd=total(one.standing.total_usd for one in shown),
    )


def organisation(state: State, store: ObjectStore, who: Principal, *, now: datetime) -> OrganisationStanding:
    """Every plugin in a stack of somebody who had a session in the window. Raises DeniedError, UnavailableError."""
    who.require_admin()
    span = span_of(WINDOW, now.date())
    found = measure(state, store, span, None)
    with state.read(*FILES, spare=stack.SPARED) as db:
        described, holders = describe(db), stack.holders(db)
        accounts = directory.active(db)
    active = sorted(user for user in found.sessions if user in accounts)
    having: dict[Key, dict[str, datetime | None]] = {}
    """Plugin → who has it in the stack, and since when if they added it."""
    for user_id in active:
        holder = holders(user_id)
        for of in holder.served:
            key = ("curated" if ("curated", *of) in described else "flea", *of)
            since = holder.asked_for.get(of)
            having.setdefault(key, {})[user_id] = None if since is None else stack.time_of(since)
    loaded: dict[Key, set[str]] = {}
    for user_id, key in (*found.of, *found.uses):
        if user_id in accounts:
            loaded.setdefault(key, set()).add(user_id)
    plugins = [
        _of_everybody(
            key,
            having.get(key, {}),
            loaded.get(key, set()),
            found,
            described=described.get(key) or Described(key[2]),
            accounts=accounts,
            now=now,
        )
        for key in {**having, **loaded}
    ]
    plugins.sort(
        key=lambda one: (-(one.idle_cost_usd or 0), -one.idle_people, one.title.casefold(), one.marketplace_id)
    )
    return OrganisationStanding(
        since=span.since,
        until=span.until,
        people=len(active),
        sessions=sum(found.sessions[user] for user in active),
        projected_sessions=sum(day.sessions for user in active for day in found.unlisted.get(user, {}).values()),
        plugins=tuple(plugins),
        idle_cost_usd=total(one.idle_cost_usd for one in plugins),
        standing_cost_usd=total(one.standing.total_usd for one in plugins),
    )


def _of_everybody(
    key: Key,
    having: Mapping[str, datetime | None],
    loaded: Collection[str],
    found: Measured,
    *,
    described: Described,
    accounts: Mapping[str, tuple[str, str]],
    now: datetime,
) -> PluginStanding:
    """`loaded` are those who called it or had it loaded, whether it is in their stack now or not."""
    first = span_of(WINDOW, now.date()).since
    of = {
        user: _with_projection(found, user, key, described, since=_since(first, at)) for user, at in having.items()
    } | {user: found.of.get((user, key), Standing()) for user in loaded if user not in having}
    uses = {user: found.uses.get((user, key), (0, None))[0] for user in of}
    idle = [
        user
        for user, at in having.items()
        if described.is_counted and not uses[user] and not _is_new(described, at, now)
    ]
    idle.sort(key=lambda user: (-(of[user].total_usd or 0), -of[user].sessions, accounts[user][0]))
    standing = Standing(
        sessions=sum(one.sessions for one in of.values()),
        tokens_a_session=max((one.tokens_a_session for one in of.values()), default=0),
        tokens=sum(one.tokens for one in of.values()),
        cost_usd=total(one.cost_usd for one in of.values()),
        unpriced_tokens=sum(one.unpriced_tokens for one in of.values()),
        projected_sessions=sum(one.projected_sessions for one in of.values()),
        projected_tokens_a_session=described.projected,
        projected_tokens=sum(one.projected_tokens for one in of.values()),
        projected_cost_usd=total(one.projected_cost_usd for one in of.values()),
    )
    return PluginStanding(
        *key,
        title=described.title,
        curator=described.curator,
        is_system=described.is_system,
        people=len(having),
        used_by=sum(count > 0 for count in uses.values()),
        uses=sum(uses.values()),
        is_counted=described.is_counted,
        unused=bool(idle) and not any(uses.values()),
        basis=standing.basis,
        standing=standing,
        idle_people=len(idle),
        idle_cost_usd=total(of[user].total_usd for user in idle),
        ask=tuple(
            Holder(user, *accounts[user], of[user].sessions + of[user].projected_sessions, of[user].total_usd)
            for user in idle[:MOST_PEOPLE]
        ),
    )


def _curated_line(line: StackPlugin) -> MyPlugin:
    locked: Literal["", "required", "system"] = "system" if line.is_system else "required" if line.required else ""
    path = f"/api/marketplace/curated/{line.marketplace_id}/{line.plugin_name}/install"
    return replace(
        _line(("curated", line.marketplace_id, line.plugin_name), None, in_stack=True),
        locked=locked,
        added_at=line.subscribed_at,
        remove_path="" if locked else path,
    )


def _entity_line(line: StackEntity) -> MyPlugin:
    return replace(
        _line(("flea", line.entity_id, line.name), None, in_stack=True),
        added_at=line.installed_at,
        remove_path=f"/api/store/entities/{line.entity_id}/install",
    )


def _line(key: Key, described: Described | None, *, in_stack: bool) -> MyPlugin:
    return MyPlugin(
        *key,
        title=described.title if described else key[2],
        in_stack=in_stack,
        locked="",
        added_at=None,
        uses=0,
        last_used_at=None,
        is_counted=True,
        unused=False,
        basis="none",
        standing=Standing(),
        remove_path="",
    )


def _complete(
    line: MyPlugin, user_id: str, found: Measured, described: dict[Key, Described], *, span: Span, now: datetime
) -> MyPlugin:
    key = line.source, line.marketplace_id, line.plugin
    known = described.get(key) or Described(line.plugin)
    uses, last_used_at = found.uses.get((user_id, key), (0, None))
    since = _since(span.since, line.added_at) if line.in_stack else None
    standing = _with_projection(found, user_id, key, known, since=since)
    is_new = _is_new(known, line.added_at, now)
    return replace(
        line,
        title=known.title,
        uses=uses,
        last_used_at=last_used_at,
        is_counted=known.is_counted,
        unused=line.in_stack and known.is_counted and not uses and not is_new,
        basis=standing.basis,
        standing=standing,
    )


def _since(first: date, added_at: datetime | None) -> date:
    """The first day of the window on which it was in the stack."""
    return first if added_at is None else max(first, added_at.astimezone(UTC).date())


def _is_new(described: Described, added_at: datetime | None, now: datetime) -> bool:
    """Too short a time there, or in the stack, to be called unused."""
    return any(at is not None and (now - at).days < NEW_DAYS for at in (described.created_at, added_at))


def _with_projection(found: Measured, user_id: str, key: Key, known: Described, *, since: date | None) -> Standing:
    """`since`: from when on the plugin is in the stack; None if it is not."""
    measured = found.of.get((user_id, key), Standing())
    days = [of for day, of in found.unlisted.get(user_id, {}).items() if since is not None and day >= since]
    sessions = sum(day.sessions for day in days)
    if not sessions or not known.projected:
        return measured
    token_usd = total(day.token_usd for day in days)
    return replace(
        measured,
        projected_sessions=sessions,
        projected_tokens_a_session=known.projected,
        projected_tokens=known.projected * sum(day.requests for day in days),
        projected_cost_usd=None if token_usd is None else known.projected * token_usd,
        unpriced_tokens=measured.unpriced_tokens + known.projected * sum(day.unpriced for day in days),
    )
