"""SCIM 2.0: what a directory asks for. Two paths stand for all of it, since a REST API has 300 path resources."""

from agnes import wiring
from agnes.edge import Function, Request
from agnes.edge.scim import scim_endpoint
from agnes.kernel.principal import Principal

app = Function("directory-any_scim")


@app.route("/scim/v2/{kind}", methods=["GET"])
@scim_endpoint()
def get_all(who: Principal, kind: str, request: Request) -> object:
    """List resources of a kind, or describe the service."""
    return wiring.scim(who).answer("GET", kind, "", request.flat_query, None)


@app.route("/scim/v2/{kind}", methods=["POST"])
@scim_endpoint()
def post_one(who: Principal, kind: str, request: Request) -> object:
    """Make a resource, do many things at once, or search."""
    return wiring.scim(who).answer("POST", kind, "", {}, request.json())


@app.route("/scim/v2/{kind}/{thing}", methods=["GET"])
@scim_endpoint()
def get_one(who: Principal, kind: str, thing: str, request: Request) -> object:
    """A resource."""
    return wiring.scim(who).answer("GET", kind, thing, request.flat_query, None)


@app.route("/scim/v2/{kind}/{thing}", methods=["PUT"])
@scim_endpoint()
def put_one(who: Principal, kind: str, thing: str, request: Request) -> object:
    """Replace a resource."""
    return wiring.scim(who).answer("PUT", kind, thing, {}, request.json())


@app.route("/scim/v2/{kind}/{thing}", methods=["PATCH"])
@scim_endpoint()
def patch_one(who: Principal, kind: str, thing: str, request: Request) -> object:
    """Change some of a resource."""
    return wiring.scim(who).answer("PATCH", kind, thing, {}, request.json())


@app.route("/scim/v2/{kind}/{thing}", methods=["DELETE"])
@scim_endpoint()
def delete_one(who: Principal, kind: str, thing: str) -> object:
    """Delete a resource."""
    return wiring.scim(who).answer("DELETE", kind, thing, {}, None)
