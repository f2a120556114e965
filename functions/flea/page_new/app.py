"""The form to share something."""

from agnes import wiring
from agnes.edge import Done, Function, Needs, Request, form, page
from agnes.flea import pages, submitting, uploads
from agnes.flea.pages import SharePage
from agnes.kernel.principal import Principal

app = Function("flea-page_new")


@app.route("/store/new", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_new(who: Principal) -> SharePage:
    """Choose a file and say what it is for."""
    return pages.share_page(wiring.market(), who)


@app.route("/store/new", methods=["POST"])
@form(needs=Needs.LOGIN, page=page_new)
def post_new(who: Principal, request: Request) -> Done | SharePage:
    """Look at what would be shared, or share it."""
    sent = uploads.form_of(request.headers.get("content-type", ""), request.body)
    if sent.text("action") == "preview":
        return pages.previewed(wiring.market(), who, sent)
    entity = submitting.create(wiring.market(), who, uploads.offer_of(sent))
    return Done(f"{pages.PATH}/{entity.id}", pages.received(wiring.market(), entity))
