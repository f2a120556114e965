"""What tokens cost: a dated table that admins edit, and the one definition of cost.

    cost = sum over days and models of tokens x the price in force on that day

Prices are US dollars a million tokens, by kind of token (what Claude's Messages API reports in `usage`). A model without a
price has no cost, never a cost of zero: its tokens are told apart as unpriced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.errors import InvalidError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.telemetry.lake.batch import Workbench
from agnes.telemetry.model import FILE, TOKENS

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}\*?")
_COLUMNS = "model, valid_from, input, output, cache_read, cache_write, set_at, set_by"

Dollars = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class UnsoundModel(InvalidError):
    code = "invalid_model"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"{model[:60]!r} is no model's name",
            hint="Letters, digits and . _ : / @ -, 100 at most; a * at the end stands for whatever follows.",
        )


class PriceNotFound(NotFoundError):
    code = "price_not_found"

    def __init__(self, model: str, valid_from: date) -> None:
        super().__init__(
            f"there is no price of {model[:100]} from {valid_from} on", hint="List them to see which there are."
        )


class PriceWish(BaseModel):
    """Dollars a million tokens, from a day on (UTC)."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=101, description="A model's id, or its beginning and a *.")
    valid_from: date
    input: Dollars
    output: Dollars
    cache_read: Dollars
    cache_write: Dollars


@dataclass(frozen=True, slots=True)
class Price:
    model: str
    valid_from: date
    input: float
    output: float
    cache_read: float
    cache_write: float
    set_at: datetime
    set_by: str


@dataclass(frozen=True, slots=True)
class PriceList:
    """Which of `prices` is in force for a model on a day: of those that fit, the longest name, then the latest day."""

    prices: tuple[Price, ...]

    def find(self, model: str, day: date) -> Price | None:
        fitting = [price for price in self.prices if price.valid_from <= day and _fits(price.model, model)]
        return max(fitting, key=lambda p: (not p.model.endswith("*"), len(p.model), p.valid_from), default=None)

    def into(self, bench: Workbench, pairs: Iterable[tuple[str, date]]) -> None:
        """The table `priced` (model, day, and a price a token for each kind) of those of `pairs` that have one."""
        columns = {"model": "VARCHAR", "day": "DATE", **dict.fromkeys(_KINDS, "DOUBLE")}
        rows = [
            (model, day, *(getattr(price, kind) / 1e6 for kind in _KINDS))
            for model, day in pairs
            if (price := self.find(model, day)) is not None
        ]
        bench.table("priced", columns, rows)


_KINDS = ("input", "output", "cache_read", "cache_write")

ALL_TOKENS = " + ".join(TOKENS)
COST = (
    f"CASE WHEN {ALL_TOKENS} > 0 THEN input_tokens * p.input + output_tokens * p.output + cache_read_tokens * p.cache_read "
    "+ cache_creation_tokens * p.cache_write END"
)
"""SQL for the cost of a row with the four token columns, joined with `priced` as p; NULL without tokens or a price."""


def _fits(pattern: str, model: str) -> bool:
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


def price_list(db: Db) -> PriceList:
    rows = db.execute(f"SELECT {_COLUMNS} FROM telemetry.prices ORDER BY model, valid_from DESC").fetchall()  # noqa: S608
    return PriceList(tuple(Price(*row) for row in rows))


def prices(state: State, who: Principal) -> list[Price]:
    """By model, the newest first."""
    who.require_admin()
    with state.read(FILE) as db:
        return list(price_list(db).prices)


def set_price(state: State, who: Principal, wish: PriceWish, *, now: datetime) -> Price:
    """Add a price, or correct the one of that model and day. Raises UnsoundModel."""
    who.require_admin()
    if not _MODEL.fullmatch(wish.model):
        raise UnsoundModel(wish.model)
    price = Price(**wish.model_dump(), set_at=now, set_by=who.email)

    def change(tx: Tx) -> None:
        row = [getattr(price, name.strip()) for name in _COLUMNS.split(",")]
        tx.db.execute(f"INSERT OR REPLACE INTO telemetry.prices ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        _windows_again(tx.db)
        tx.record(Change("usage.price.set", f"price:{wish.model}", wish.model_dump(mode="json")))

    state.commit(FILE, change)
    return price


def remove_price(state: State, who: Principal, model: str, valid_from: date) -> None:
    """Raises PriceNotFound."""
    who.require_admin()

    def change(tx: Tx) -> None:
        found = tx.db.execute(
            "DELETE FROM telemetry.prices WHERE model = ? AND valid_from = ? RETURNING model", [model, valid_from]
        ).fetchall()
        if not found:
            raise PriceNotFound(model, valid_from)
        _windows_again(tx.db)
        tx.record(Change("usage.price.remove", f"price:{model}", {"model": model, "valid_from": str(valid_from)}))

    state.commit(FILE, change)


def _windows_again(db: Db) -> None:
    """The costs beside items are made by the next run of the extraction; one that is under way begins anew."""
    db.execute("UPDATE telemetry.progress SET revision = revision + 1, windows_day = NULL")
