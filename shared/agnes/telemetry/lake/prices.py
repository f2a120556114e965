"""What tokens cost: the price list, under the prices that an admin sets, and the one definition of cost.

    cost = sum over days, models and rates of what was counted x the price in force on that day

An admin's price of a model wins over the list (`agnes.claude_code.prices`). Prices are US dollars a million tokens, by kind of
token. A model that neither prices has no cost, never a cost of zero: its tokens are reported as unpriced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.claude_code import price_table
from agnes.claude_code import prices as listed
from agnes.claude_code.prices import Rate, Rates
from agnes.kernel.errors import InvalidError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.model import CACHE_1H, FILE, TOKENS, WEB_SEARCHES

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,99}\*?")
_COLUMNS = "model, valid_from, input, output, cache_read, cache_write, cache_write_1h, web_search, set_at, set_by"
_LISTED_FROM = date(2024, 1, 1)
"""No session is older."""

Dollars = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class UnsoundModel(InvalidError):
    code = "invalid_model"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"{model[:60]!r} is not a valid model name",
            hint="Letters, digits and . _ : / @ - [ ], 100 at most; a * at the end stands for whatever follows.",
        )


class PriceNotFound(NotFoundError):
    code = "price_not_found"

    def __init__(self, model: str, valid_from: date) -> None:
        super().__init__(
            f"no price of {model[:100]} is set from {valid_from} on",
            hint="List the prices to see which are set; those of the price list cannot be removed, only set otherwise.",
        )


class PriceUpdate(BaseModel):
    """Dollars a million tokens, from a day on (UTC), at standard speed."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=101, description="A model's id, or its beginning and a *.")
    valid_from: date
    input: Dollars
    output: Dollars
    cache_read: Dollars
    cache_write: Dollars = Field(description="Cache writes that are kept for five minutes.")
    cache_write_1h: Dollars | None = Field(
        None, description="Cache writes that are kept for an hour; twice the price of input if not given."
    )
    web_search: Dollars | None = Field(None, description="Dollars for 1,000 web searches; 10 if not given.")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a million tokens; `web_search` for 1,000 searches. `source` is admin or list; a price of the list may be of a `speed`
    and for prompts of more than `above_tokens`."""

    model: str
    valid_from: date
    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float | None
    web_search: float | None
    set_at: datetime | None
    set_by: str
    source: Literal["admin", "list"] = "admin"
    speed: str = listed.STANDARD
    above_tokens: int = 0

    @property
    def rates(self) -> Rates:
        """Dollars a token."""
        one_hour = self.input * float(listed.CACHE_WRITE_1H) if self.cache_write_1h is None else self.cache_write_1h
        web = listed.WEB_SEARCH if self.web_search is None else self.web_search / 1000
        million = 1e6
        return Rates(
            self.input / million,
            self.output / million,
            self.cache_read / million,
            self.cache_write / million,
            one_hour / million,
            web,
        )


@dataclass(frozen=True, slots=True)
class PriceList:
    """What an admin has set. Of `prices` that fit a model on a day the exact name counts before one that means the same model, that
    before a beginning, the longer before the shorter, then the latest day."""

    prices: tuple[Price, ...] = ()

    def find(self, model: str, day: date) -> Price | None:
        """An admin's price; None if the price list is in force."""
        fitting = [
            (fit, len(price.model), price.valid_from, price)
            for price in self.prices
            if price.valid_from <= day and (fit := _fit(price.model, model))
        ]
        return max(fitting, key=lambda found: found[:3])[3] if fitting else None

    def rates(self, model: str, day: date, rate: Rate = listed.STANDARD_RATE) -> Rates | None:
        """Dollars a token; None if nobody knows the price.

        An admin's price is of standard speed and a short prompt. What the list asks more for other speeds and for long prompts, it
        asks of an admin's price in proportion; a speed that the list does not have is unpriced.
        """
        price = self.find(model, day)
        if price is None:
            return listed.rates(model, day, rate)
        factor = rate.multiplier
        if factor is None:
            return None
        rates = price.rates
        if rate.speed or rate.long_prompt:
            usual, asked = listed.list_rates(model, day), listed.list_rates(model, day, rate.speed, rate.long_prompt)
            if usual is not None and asked is not None:
                rates = _in_proportion(rates, usual, asked)
            elif rate.speed:
                return None
        return rates.times(factor)

    def into(self, bench: ScratchDatabase, used: Iterable[tuple[str, str, date]]) -> None:
        """The table `priced` (model, rate, day, and a price a token for each kind) of those of `used` that have one."""
        columns = {"model": "VARCHAR", "rate": "VARCHAR", "day": "DATE", **dict.fromkeys(_KINDS, "DOUBLE")}
        rows = [
            (model, rate, day, *(getattr(found, kind) for kind in _KINDS))
            for model, rate, day in used
            if (found := self.rates(model, day, Rate.read(rate))) is not None
        ]
        bench.table("priced", columns, rows)


_KINDS = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "web_search")

ALL_TOKENS = " + ".join(TOKENS)
COST = (
    f"CASE WHEN {ALL_TOKENS} + {WEB_SEARCHES} > 0 THEN input_tokens * p.input + output_tokens * p.output "
    f"+ cache_read_tokens * p.cache_read + (cache_creation_tokens - {CACHE_1H}) * p.cache_write "
    f"+ {CACHE_1H} * p.cache_write_1h + {WEB_SEARCHES} * p.web_search END"
)
"""SQL for the cost of a row with the columns `BILLED`, joined with `priced` as p; NULL without tokens or a price."""

RATE = (
    "CASE WHEN speed IS NULL AND service_tier IS NULL AND inference_geo IS NULL AND coalesce(long_prompt, 0) = 0 THEN '' "
    "ELSE concat_ws('|', coalesce(speed, ''), coalesce(service_tier, ''), coalesce(inference_geo, ''), coalesce(long_prompt, 0)) END"
)
"""SQL for the rate of an event: one word for everything that its price depends on but model and day (`Rate.read`)."""


def _fit(pattern: str, model: str) -> int:
    """How well a price's name fits a model: 0 not at all, 1 as a beginning, 2 as another name of it, 3 exactly."""
    if pattern.endswith("*"):
        beginning = pattern[:-1]
        return int(model.startswith(beginning) or _name(model).startswith(beginning))
    if pattern == model:
        return 3
    return 2 if _name(pattern) == _name(model) else 0


@lru_cache(1000)
def _name(model: str) -> str:
    return listed.known_as(model) or listed.canonical(model)


def _in_proportion(rates: Rates, usual: Rates, asked: Rates) -> Rates:
    def scaled(rate: float, usual: float, asked: float) -> float:
        return rate * (asked / usual if usual else 1)

    return Rates(
        scaled(rates.input, usual.input, asked.input),
        scaled(rates.output, usual.output, asked.output),
        scaled(rates.cache_read, usual.cache_read, asked.cache_read),
        scaled(rates.cache_write, usual.cache_write, asked.cache_write),
        scaled(rates.cache_write_1h, usual.cache_write_1h, asked.cache_write_1h),
        rates.web_search,
    )


def _listed() -> list[Price]:
    """The price list, in the same form."""
    return [
        Price(
            model,
            date.fromisoformat(since) if since else _LISTED_FROM,
            input=float(each),
            output=float(output),
            cache_read=float(cache_read),
            cache_write=float(cache_write),
            cache_write_1h=float(one_hour),
            web_search=listed.WEB_SEARCH * 1000,
            set_at=None,
            set_by=source,
            source="list",
            speed=speed,
            above_tokens=above,
        )
        for source, rows in ((price_table.SOURCE, price_table.PRICES), ("claude-code 2.1.332", listed.SUPPLEMENT))
        for model, speed, since, above, each, output, cache_read, cache_write, one_hour in rows
    ]


def price_list(db: Db) -> PriceList:
    rows = db.execute(f"SELECT {_COLUMNS} FROM telemetry.prices ORDER BY model, valid_from DESC").fetchall()  # noqa: S608
    return PriceList(tuple(Price(*row) for row in rows))


def prices(state: State, who: Principal) -> list[Price]:
    """What admins have set, by model, the newest first; then the price list, which holds for everything else."""
    who.require_admin()
    with state.read(FILE) as db:
        found = list(price_list(db).prices)
    return found + sorted(
        _listed(), key=lambda p: (p.model, p.speed != listed.STANDARD, -p.valid_from.toordinal(), p.above_tokens)
    )


def set_price(state: State, who: Principal, wish: PriceUpdate, *, now: datetime) -> Price:
    """Add a price, or correct the one of that model and day. Raises UnsoundModel."""
    who.require_admin()
    if not _MODEL.fullmatch(wish.model):
        raise UnsoundModel(wish.model)
    price = Price(**wish.model_dump(), set_at=now, set_by=who.email)

    def change(tx: Tx) -> None:
        row = [getattr(price, name.strip()) for name in _COLUMNS.split(",")]
        marks = ", ".join("?" * len(row))
        same = (price.model, price.valid_from)
        before = next((old for old in price_list(tx.db).prices if (old.model, old.valid_from) == same), None)
        tx.db.execute(f"INSERT OR REPLACE INTO telemetry.prices ({_COLUMNS}) VALUES ({marks})", row)  # noqa: S608
        _windows_again(tx.db)
        said = asdict(before) if before else None
        tx.record(Change("usage.price.set", f"price:{wish.model}", wish.model_dump(mode="json"), said))

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
