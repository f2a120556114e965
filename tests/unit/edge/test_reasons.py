"""What a 422 says is wrong with each field: in words of this product, whatever pydantic calls it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agnes.edge.errors import invalid_input
from agnes_local.composed import composition

WRONG: list[Any] = [None, [], {}, "", "x" * 5000, "\ud800", -(10**30), 10**30, 0.5, True, [[]], {"a": {}}, ["", None]]
FOREIGN = ("Input", "should", "valid", "instance", "dict", "string", "integer", "boolean", "parse", "error", "extract")


def positive(value: int) -> int:
    if value < 0:
        raise ValueError("a debt is no price")
    return value


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int = Field(7, ge=1, le=365)
    share: float = Field(1, gt=0, lt=2)
    sort: Literal["name", "newest"] = "name"
    name: Annotated[str, Field(min_length=1, max_length=3, pattern="^[a-z]*$")] = "a"
    names: list[str] = Field([], max_length=1)
    since: datetime | None = None
    day: date | None = None
    open: bool = True
    price: Annotated[int, AfterValidator(positive)] = 0
    part: dict[str, int] = {}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"days": "x"}, "days: must be a whole number"),
        ({"days": 1.5}, "days: must be a whole number"),
        ({"days": "9" * 5000}, "days: must be a whole number"),
        ({"days": 0}, "days: must be 1 or more"),
        ({"days": 366}, "days: must be 365 or less"),
        ({"share": 0}, "share: must be more than 0"),
        ({"share": 2}, "share: must be less than 2"),
        ({"sort": "best"}, "sort: must be 'name' or 'newest'"),
        ({"name": ""}, "name: must not be empty"),
        ({"name": "abcd"}, "name: must have 3 characters or less"),
        ({"name": "A"}, "name: must have the form ^[a-z]*$"),
        ({"name": 7}, "name: must be text"),
        ({"names": ["a", "b"]}, "names: must have 1 entries or less"),
        ({"names": {}}, "names: must be a list"),
        ({"since": "soon"}, "since: must be a time such as 2026-11-01T09:00:00Z"),
        ({"day": "soon"}, "day: must be a day such as 2026-11-01"),
        ({"open": "perhaps"}, "open: must be true or false"),
        ({"price": -1}, "price: a debt is no price"),
        ({"part": []}, "part: must be an object"),
        ({"part": {"a": "b"}}, "part.a: must be a whole number"),
        ({"dais": 7}, "dais: is not a known field"),
        ([], "query: must be an object"),
    ],
)
def test_it_says_what_a_value_must_be(given: Any, reason: str) -> None:
    assert told(Wanted, given) == [reason]


def test_no_input_of_the_api_is_refused_in_words_of_python() -> None:
    """Every query and body that there is, with every field missing or wrong in many ways."""
    models = {
        model
        for function in composition().functions
        for route in function.routes
        for model in (route.contract.query, route.contract.body)
        if model is not None
    }
    assert len(models) > 50
    foreign = {
        said
        for model in models
        for given in ({}, [], *({name: wrong} for name in (*model.model_fields, "more") for wrong in WRONG))
        for said in told(model, given)
        if any(word in said.partition(": ")[2].split() for word in FOREIGN)
    }
    assert not foreign


def told(model: type[BaseModel], given: Any) -> list[str]:
    try:
        model.model_validate(given)
    except pydantic.ValidationError as exc:
        return [f"{error['field']}: {error['reason']}" for error in invalid_input(exc, "query").facts["errors"]]
    return []
