"""Which version runs here."""

from agnes.edge import Function, Needs, endpoint
from agnes.ops import version

app = Function("ops-get_version")


@app.route("/api/version", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_version(who) -> version.VersionInfo:  # noqa: ARG001 (whoever asks)
    """Say which version answers."""
    return version.current()
