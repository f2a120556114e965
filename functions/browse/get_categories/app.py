"""The categories of a tab."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.browse import service
from agnes.browse.listing import ItemsQuery
from agnes.browse.model import CategoryFacet
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_categories")


class CategoriesQuery(BaseModel):
    """As the listing's parameters of the same names."""

    model_config = ConfigDict(extra="forbid")

    tab: Literal["curated", "flea", "my"] = "curated"
    type: Literal["", "skill", "agent", "plugin"] = ""


class Categories(BaseModel):
    items: list[CategoryFacet]


@app.route("/api/marketplace/categories", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=CategoriesQuery, reads=service.FILES, ahead=service.ahead)
def get_categories(who: Principal, query: CategoriesQuery) -> Categories:
    """List the categories that hold something you may see."""
    wanted = ItemsQuery(tab=query.tab, type=query.type)
    return Categories(items=list(service.categories(wiring.state(), who, wanted, now=wiring.clock().now())))
