"""The API's description."""

from agnes.edge import Function, Needs, Reply, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import openapi

app = Function("ops-get_openapi")


@app.route("/api/openapi.json", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_openapi(_who: Principal) -> Reply:
    """Describe every route of the API, as OpenAPI 3.1."""
    return Reply(body=openapi.document(), headers={"Cache-Control": "private, max-age=300"})
