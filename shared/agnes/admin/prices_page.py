"""What models cost: the prices that admins set, the price list, and the form that sets one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry.lake import prices
from agnes.telemetry.lake.prices import Dollars, Price, PriceUpdate

PATH = "/admin/system/prices"


class PricesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=101)
    """Part of a model's name."""


class PriceForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["set", "remove"]
    model: str = Field(min_length=1, max_length=101)
    valid_from: date
    input: Dollars | None = None
    output: Dollars | None = None
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    web_search: Dollars | None = None

    @field_validator("input", "output", "cache_read", "cache_write", "cache_write_1h", "web_search", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value


@dataclass(frozen=True)
class PricesPage:
    template: ClassVar[str] = "admin/prices.html"
    title: ClassVar[str] = "Model prices"

    own: list[Price]
    """What admins set, by model, the newest first."""
    listed: list[Price]
    """The price list that Agnes came with."""
    query: PricesQuery
    today: date


def prices_page(state: State, who: Principal, query: PricesQuery, *, now: datetime) -> PricesPage:
    word = query.q.strip().lower()
    found = [price for price in prices.prices(state, who) if word in price.model.lower()]
    return PricesPage(
        [price for price in found if price.source == "admin"],
        [price for price in found if price.source == "list"],
        query,
        now.date(),
    )


def change(state: State, who: Principal, form: PriceForm, *, now: datetime) -> str:
    """What the next page says. Raises BadRequestError, UnsoundModel, PriceNotFound."""
    if form.action == "remove":
        prices.remove_price(state, who, form.model, form.valid_from)
        return f"The price of {form.model} from {form.valid_from} on is removed; the one before it is in force."
    needed = (form.input, form.output, form.cache_read, form.cache_write)
    given = [price for price in needed if price is not None]
    if len(given) < len(needed):
        raise BadRequestError(
            "input, output, cache reads and cache writes are needed", hint="A price may be 0.", code="price_incomplete"
        )
    update = PriceUpdate(
        model=form.model,
        valid_from=form.valid_from,
        input=given[0],
        output=given[1],
        cache_read=given[2],
        cache_write=given[3],
        cache_write_1h=form.cache_write_1h,
        web_search=form.web_search,
    )
    prices.set_price(state, who, update, now=now)
    return f"{form.model} costs this from {form.valid_from} on. Figures follow with the next run of the extraction."
