"""Take shared entities along to another installation."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, endpoint
from agnes.flea import bundles
from agnes.kernel.ports import DOWNLOAD_URL_SECONDS
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntitiesQuery

app = Function("flea-get_bundle")


@app.route("/api/store/bundle.zip", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=EntitiesQuery, reads=("flea",))
def get_bundle(who: Principal, query: EntitiesQuery) -> Reply:
    """Download what you may see, by the filters of the list; `owner=me` is your own."""
    market = wiring.market()
    with market.state.read("flea") as db:
        found = entity_listing.visible(db, who, query)
    made = bundles.export(market, found)
    url = market.store.presign_get(
        made.key, seconds=DOWNLOAD_URL_SECONDS, filename="flea-market.zip", content_type="application/zip"
    )
    answer = Redirect(url, status=302)
    answer.headers["X-Bundle-Entry-Count"] = str(made.count)
    return answer
