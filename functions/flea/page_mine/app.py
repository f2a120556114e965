"""What one shares oneself, on pages, and one's notices."""

from agnes import wiring
from agnes.edge import Done, Function, Needs, Request, form, page
from agnes.flea import notices, pages, uploads
from agnes.flea.pages import MinePage, NoticesPage, OwnPage, Use
from agnes.kernel.principal import Principal
from agnes.stack import holdings
from agnes.stack.entity_listing import SPARED
from agnes.telemetry import service as telemetry

app = Function("flea-page_mine")
OWN = "/store/mine/{entity_id}"


@app.route("/store/mine", methods=["GET"])
@page(needs=Needs.LOGIN, reads=("flea", "stack"))
def page_mine(who: Principal) -> MinePage:
    """List what you share, its state and what to do."""
    state = wiring.state()
    with state.read("flea", "stack", spare=SPARED) as db:
        installs = None if state.spared else holdings.counts_of_installs(db)
        return pages.mine_page(db, who, installs, today=wiring.clock().now().date())


@app.route(OWN, methods=["GET"])
@page(needs=Needs.LOGIN, reads=("flea", "stack", "telemetry"))
def page_own(who: Principal, entity_id: str) -> OwnPage:
    """Show one of them: its versions, its words, whom it is for."""
    state = wiring.state()
    with state.read("stack", "telemetry", spare=(*SPARED, "telemetry")) as db:
        installs = None if "stack" in state.spared else holdings.count_installs(db, [entity_id])
        found = None if "telemetry" in state.spared else telemetry.window_of_shared(db, entity_id)
    use = Use(found.invocations_30d, found.distinct_users_30d, found.errors_30d, found.last_used_day) if found else None
    return pages.own_page(wiring.market(), who, entity_id, installs, use, today=wiring.clock().now().date())


@app.route(OWN, methods=["POST"])
@form(needs=Needs.LOGIN, page=page_own)
def post_own(who: Principal, entity_id: str, request: Request) -> Done:
    """Change it, or what becomes of one of its versions."""
    sent = uploads.form_of(request.headers.get("content-type", ""), request.body)
    return Done(*pages.change(wiring.market(), who, entity_id, sent))


@app.route("/store/notices", methods=["GET"])
@page(needs=Needs.LOGIN, reads=("flea",))
def page_notices(who: Principal) -> NoticesPage:
    """List what you were told."""
    with wiring.state().read("flea") as db:
        return pages.notices_page(db, who, today=wiring.clock().now().date())


@app.route("/store/notices", methods=["POST"])
@form(needs=Needs.LOGIN, page=page_notices)
def post_notices(who: Principal) -> Done:
    """Mark all of them as read."""
    notices.mark_read(wiring.state(), who, now=wiring.clock().now())
    return Done("/store/notices", "All notices are read.")
