"""Which version runs here."""

from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import version

app = Function("ops-get_version")


@app.route("/api/version", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_version(_who: Principal | None) -> version.VersionInfo:
    """Say which version answers."""
    return version.current()
