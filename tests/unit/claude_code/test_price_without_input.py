"""The price list of another project may leave a price out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from agnes_local import price_list


@dataclass
class Prices:
    input_mtok: Decimal | None
    output_mtok: Decimal | None = Decimal(5)


def test_a_model_without_a_price_of_input_is_named():
    with pytest.raises(ValueError, match="claude-new"):
        list(price_list._tiers("claude-new", "standard", None, Prices(None)))


def test_what_caches_cost_follows_the_price_of_input():
    [(name, speed, since, start, *amounts)] = price_list._tiers("claude-new", "standard", None, Prices(Decimal(1)))
    assert (name, speed, since, start, len(amounts)) == ("claude-new", "standard", None, 0, 5)
    assert amounts[:2] == [Decimal(1), Decimal(5)]
