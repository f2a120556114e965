"""The page of everybody who has an account."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.people_pages import PeoplePage, PeopleQuery, people_page

app = Function("telemetry-page_people")


@app.route("/admin/users", methods=["GET"])
@page(needs=Needs.ADMIN, query=PeopleQuery)
def page_people(_who: Principal, query: PeopleQuery) -> PeoplePage:
    """People, their groups, and when they were last seen."""
    return people_page(wiring.state(), query, now=wiring.clock().now())
