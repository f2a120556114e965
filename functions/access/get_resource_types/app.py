"""What can be granted."""

from agnes.access.model import RESOURCE_TYPES, ResourceType
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-get_resource_types")


@app.route("/api/admin/resource-types", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_resource_types(_who: Principal) -> tuple[ResourceType, ...]:
    """List the types of resources that can be granted."""
    return RESOURCE_TYPES
