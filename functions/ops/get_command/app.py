"""The `agnes` command for whoever has it not yet: its wheel, and scripts that install it."""

from agnes import wiring
from agnes.edge import Download, Function, Needs, Redirect, Reply, endpoint
from agnes.ops import command_wheel
from agnes.ops.command_wheel import LatestCommand

app = Function("ops-get_command")

CACHED = {"Cache-Control": "public, max-age=60"}


@app.route("/cli/latest", methods=["GET"])
@endpoint(needs=Needs.PUBLIC, answers=LatestCommand)
def get_latest(_who: object) -> Reply:
    """Say which command is the latest, where its wheel is, and which SHA-256 it has."""
    return Reply(body=command_wheel.latest(), headers=CACHED)


@app.route("/cli/wheel/{name}", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_wheel(_who: object, name: str) -> Reply:
    """Give the latest wheel."""
    return Download(command_wheel.find_wheel(name), filename=command_wheel.filename(), content_type="application/zip")


@app.route("/cli/download", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_download(_who: object) -> Reply:
    """Redirect to the latest wheel, whatever its name is."""
    return Redirect(f"{wiring.settings().base_url}{command_wheel.latest().download_url_path}", status=302)


@app.route("/cli/{name}", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_installer(_who: object, name: str) -> Reply:
    """Give `install.sh` or `install.ps1`, which install the command on a computer that has uv or Python."""
    text = command_wheel.installer(name, wiring.settings().base_url)
    return Reply(body=text, content_type=command_wheel.INSTALLERS[name], headers=CACHED)
