"""Page objects of sessions: the list, one session as a conversation, one piece of it, and the question before a redaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.drill_down import pieces, sessions, viewing
from agnes.telemetry.drill_down.conversation import Excerpt
from agnes.telemetry.drill_down.pieces import Piece
from agnes.telemetry.drill_down.sessions import Facets, Kpis, PageOf, SessionList, SessionRow, SessionsQuery
from agnes.telemetry.drill_down.viewing import PartQuery, Transcript, Viewer
from agnes.telemetry.extraction.redaction import Redacted
from agnes.telemetry.transcripts import quotas
from agnes.telemetry.transcripts.quotas import Limits, Storage

SPANS = {1440: "1 day", 10_080: "7 days", 43_200: "30 days", 129_600: "90 days", 525_600: "365 days"}
SORTED_COLUMNS = {
    "ended_at": "Last activity",
    "username": "Person",
    "user_messages": "Prompts",
    "tool_calls": "Tool calls",
    "tool_errors": "Errors",
    "tokens": "Tokens",
    "active_seconds": "Active",
    "primary_model": "Model",
}
NUMBERS = frozenset({"user_messages", "tool_calls", "tool_errors", "tokens", "active_seconds"})
PREVIEW_CHARS = 4_000
"""Of a piece on a page; a link shows all of it."""
WHOLE_CHARS = 100_000
MY_PAGE = 50

_DEFAULTS = SessionsQuery.model_validate({}).model_dump()


@dataclass(frozen=True, slots=True)
class Column:
    label: str
    url: str
    sorted: str
    """ascending, descending, or none: how the list is sorted by it."""
    is_number: bool


@dataclass(frozen=True)
class SessionsPage:
    template: ClassVar[str] = "telemetry/sessions.html"
    title: ClassVar[str] = "Sessions"
    spans: ClassVar[dict[int, str]] = SPANS

    found: SessionList
    kpis: Kpis
    facets: Facets
    query: SessionsQuery

    def link(self, **changes: Any) -> str:
        """The same list otherwise; what is as usual is not in the address."""
        wanted = {**self.query.model_dump(), "username": self.query.whose, "user": "", "offset": 0, **changes}
        pairs = {name: value for name, value in wanted.items() if value != _DEFAULTS[name]}
        return "/admin/sessions" + (f"?{urlencode(pairs)}" if pairs else "")

    @property
    def columns(self) -> list[Column]:
        now, descending = self.query.ordering
        found = []
        for name, label in SORTED_COLUMNS.items():
            # Numbers and times are asked for from the largest, words from A.
            other = (
                "asc"
                if (name == now and descending) or (name != now and name in ("username", "primary_model"))
                else "desc"
            )
            how = ("descending" if descending else "ascending") if name == now else "none"
            found.append(Column(label, self.link(sort=f"{name}:{other}"), how, name in NUMBERS))
        return found

    @property
    def previous(self) -> str:
        """Address of the page before; empty on the first one."""
        return self.link(offset=max(0, self.query.offset - self.query.limit)) if self.query.offset else ""

    @property
    def following(self) -> str:
        return self.link(offset=self.found.next_offset) if self.found.next_offset is not None else ""


def sessions_page(state: State, query: SessionsQuery, *, now: datetime) -> SessionsPage:
    return SessionsPage(
        sessions.listed(state, query, now=now),
        sessions.kpis(state, query, now=now),
        sessions.facets(state, query, now=now),
        query,
    )


@dataclass(frozen=True)
class MySessionsPage:
    template: ClassVar[str] = "telemetry/my_sessions.html"
    title: ClassVar[str] = "My sessions"

    found: SessionList
    query: PageOf
    storage: Storage

    @property
    def previous(self) -> str:
        start = max(0, self.query.offset - self.query.limit)
        return f"/me/sessions?offset={start}" if self.query.offset else ""

    @property
    def following(self) -> str:
        return f"/me/sessions?offset={self.found.next_offset}" if self.found.next_offset is not None else ""


def my_sessions_page(
    state: State, store: ObjectStore, who: Principal, *, offset: int, limits: Limits, now: datetime
) -> MySessionsPage:
    query, user_id = PageOf(limit=MY_PAGE, offset=offset), keys.user(who.user_id)
    held = quotas.storage(store, user_id, limits, now=now)
    return MySessionsPage(sessions.of_user(state, store, user_id, query), query, held)


@dataclass(frozen=True, slots=True)
class SessionLinks:
    """Where the pages of a session are: an admin's or its owner's."""

    is_mine: bool
    user_id: str
    session_id: str

    @property
    def url(self) -> str:
        return (
            f"/me/sessions/{self.session_id}" if self.is_mine else f"/admin/sessions/{self.user_id}/{self.session_id}"
        )

    @property
    def list_url(self) -> str:
        return "/me/sessions" if self.is_mine else "/admin/sessions"

    @property
    def layout(self) -> str:
        return "_layout/mine.html" if self.is_mine else "_layout/admin.html"

    def download(self, agent_id: str | None) -> str:
        at = f"/profile/sessions/{self.session_id}" if self.is_mine else f"/api{self.url}/download"
        return at + (f"?agent_id={agent_id}" if agent_id else "")


@dataclass(frozen=True, slots=True)
class ShownPiece:
    """A piece as the page tells it: what is folded away, and how it is called."""

    piece: Piece
    call: Piece | None
    """Of a result: the call that it answers, if it is in the same part."""

    @property
    def label(self) -> str:
        piece = self.piece
        match piece.type:
            case pieces.TOOL_USE:
                return piece.tool_name or "Tool"
            case pieces.TOOL_RESULT:
                what = "Error" if piece.is_error else "Result"
                return f"{what} of {self.call.tool_name}" if self.call and self.call.tool_name else what
            case pieces.THINKING:
                return "Thinking"
            case pieces.OTHER:
                return piece.title or "Something else"
        if piece.role == "assistant":
            return "Answer"
        if piece.is_meta:
            return f"Notice: {piece.title}" if piece.title else "Context from the client"
        if piece.is_sidechain:
            return "Task"
        return "Command" if piece.title else "Prompt"

    @property
    def is_folded(self) -> bool:
        return self.piece.type != pieces.TEXT or self.piece.is_meta

    @property
    def kind(self) -> str:
        """For the stylesheet."""
        if self.piece.type != pieces.TEXT:
            return "result" if self.piece.type == pieces.TOOL_RESULT else "call"
        if self.piece.is_meta:
            return "meta"
        return "answer" if self.piece.role == "assistant" else "prompt"


@dataclass(frozen=True, slots=True)
class TranscriptRange:
    """Pieces in a row of the main conversation, or of one subagent."""

    agent_id: str | None
    said: tuple[ShownPiece, ...]


_BILLS = {
    "equal": "At list prices; Claude Code billed the same",
    "other_price": "Claude Code billed {client}, with another price of {models}",
    "other_tokens": "Claude Code billed {client}: it counted other requests than the transcript has",
    "unpriced": "Claude Code billed {client}",
    "forked": "At list prices; Claude Code billed {client}, with the session that this one was forked from",
    "unfinished": "At list prices; Claude Code had billed {client} before the last responses",
    "client_unsure": "At list prices; Claude Code billed {client} without knowing every price",
}
"""By `bill_status`."""


@dataclass(frozen=True)
class SessionPage:
    template: ClassVar[str] = "telemetry/session.html"

    door: SessionLinks
    transcript: Transcript
    query: PartQuery

    @property
    def title(self) -> str:
        return f"Session {self.door.session_id[:8]}"

    @property
    def row(self) -> SessionRow:
        return self.transcript.summary

    @property
    def bill(self) -> str:
        """Beside the cost: what has no price, and what the client's own bill says."""
        row = self.row
        if row.list_cost_usd is None and not row.unpriced_tokens:
            return ""
        unpriced = f"{row.unpriced_tokens:,} tokens have no list price" if row.unpriced_tokens else ""
        said = _BILLS.get(row.bill_status or "", "")
        if said and row.client_cost_usd is not None:
            said = said.format(
                client=f"${row.client_cost_usd:,.2f}", models=", ".join((row.price_mismatches or [])[:3])
            )
        return ". ".join(part for part in (unpriced, said) if part) or "at list prices"

    @property
    def stretches(self) -> list[TranscriptRange]:
        return _stretches(self.transcript.events)

    @property
    def failed(self) -> list[Piece]:
        """Errors of this part, to jump to."""
        return [piece for piece in self.transcript.events if piece.is_error]

    @property
    def following(self) -> str:
        cursor = self.transcript.next_cursor
        return f"{self.door.url}?{urlencode({'cursor': cursor})}#conversation" if cursor else ""


def session_page(
    state: State, store: ObjectStore, viewer: Viewer, *, user_id: str, session_id: str, query: PartQuery, now: datetime
) -> SessionPage:
    """Raises as `viewing.transcript`."""
    found = viewing.transcript(
        state,
        store,
        viewer,
        user_id=user_id,
        session_id=session_id,
        query=query,
        now=now,
        piece_chars=PREVIEW_CHARS,
    )
    return SessionPage(SessionLinks(viewer.as_owner, found.summary.user_id, found.summary.session_id), found, query)


def _stretches(events: Sequence[Piece]) -> list[TranscriptRange]:
    calls = {piece.tool_use_id: piece for piece in events if piece.type == pieces.TOOL_USE}
    rows: list[tuple[str | None, list[ShownPiece]]] = []
    for piece in events:
        call = calls.get(piece.tool_use_id) if piece.type == pieces.TOOL_RESULT else None
        if not rows or rows[-1][0] != piece.agent_id:
            rows.append((piece.agent_id, []))
        rows[-1][1].append(ShownPiece(piece, call))
    return [TranscriptRange(agent_id, tuple(said)) for agent_id, said in rows]


@dataclass(frozen=True)
class PiecePage:
    template: ClassVar[str] = "telemetry/piece.html"

    door: SessionLinks
    excerpt: Excerpt

    @property
    def said(self) -> ShownPiece:
        return ShownPiece(self.excerpt.piece, None)

    @property
    def title(self) -> str:
        return f"A piece of session {self.door.session_id[:8]}"

    @property
    def end(self) -> int:
        return self.excerpt.start + len(self.excerpt.piece.text)

    def at(self, start: int) -> str:
        return f"{self.door.url}/pieces/{self.excerpt.piece.id}" + (f"?start={start}" if start else "")

    @property
    def previous(self) -> str:
        return self.at(max(0, self.excerpt.start - WHOLE_CHARS)) if self.excerpt.start else ""

    @property
    def following(self) -> str:
        return self.at(self.excerpt.next_start) if self.excerpt.next_start is not None else ""


def piece_page(
    store: ObjectStore, viewer: Viewer, *, user_id: str, session_id: str, piece_id: str, start: int, now: datetime
) -> PiecePage:
    """Raises as `viewing.excerpt`."""
    found = viewing.excerpt(
        store,
        viewer,
        user_id=user_id,
        session_id=session_id,
        piece_id=piece_id,
        start=start,
        now=now,
        chars=WHOLE_CHARS,
    )
    return PiecePage(SessionLinks(viewer.as_owner, user_id, session_id.lower()), found)


@dataclass(frozen=True)
class RedactPage:
    """Asks before a session, or with an empty `session_id` all of a person, is removed; then tells what became of it."""

    template: ClassVar[str] = "telemetry/redact.html"

    door: SessionLinks
    email: str
    """Whose it is, as the page says it."""
    done: Redacted | None = None

    @property
    def title(self) -> str:
        what = f"session {self.door.session_id[:8]}" if self.door.session_id else f"all sessions of {self.email}"
        return f"Removed: {what}" if self.done else f"Remove {what}?"

    @property
    def back(self) -> str:
        return self.door.url if self.door.session_id else f"/admin/users/{self.door.user_id}"
