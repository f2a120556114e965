"""The stylesheet, scripts and images of the pages."""

from agnes.edge import Function, Needs, Reply, endpoint
from agnes.edge.static import static_file

app = Function("browse-get_static")


@app.route("/static/{kind}/{name}", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_static(who: object, kind: str, name: str) -> Reply:  # noqa: ARG001 (anybody may see them)
    """A static file, cached for a year under its content's hash."""
    return static_file(f"{kind}/{name}")
