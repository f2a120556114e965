"""Mark what one was told as read."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import notices
from agnes.kernel.principal import Principal

app = Function("flea-post_notices")


@app.route("/api/store/notices", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_read(who: Principal) -> None:
    """Mark all of your notices as read."""
    notices.mark_read(wiring.state(), who, now=wiring.clock().now())
