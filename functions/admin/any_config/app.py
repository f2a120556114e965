"""Settings that admins edit: the page /admin/server-config and its API."""

from agnes import wiring
from agnes.admin import config_page
from agnes.admin.config_page import ConfigForm, ConfigPage, SectionForm
from agnes.configuration import service
from agnes.configuration.model import ConfigUpdate, ConfigUpdated, Configure, ServerConfig
from agnes.edge import Done, Function, Needs, endpoint, form, page
from agnes.kernel.principal import Principal

app = Function("admin-any_config")


@app.route("/api/admin/server-config", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_config(_who: Principal) -> ServerConfig:
    """List the settings in force, where each is from, and which can be edited. Secrets are masked."""
    return service.config(wiring.state(), wiring.secrets(), wiring.config_rules())


@app.route("/api/admin/server-config", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=ConfigUpdate)
def post_config(who: Principal, body: ConfigUpdate) -> ConfigUpdated:
    """Save settings: all that were sent or none. Every process goes by them within seconds."""
    return service.update(
        wiring.state(), who, body, secrets=wiring.secrets(), rules=wiring.config_rules(), now=wiring.clock().now()
    )


@app.route("/api/admin/configure", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Configure)
def post_configure(who: Principal, body: Configure) -> ConfigUpdated:
    """Save the first settings of an installation."""
    return service.configure(
        wiring.state(), who, body, secrets=wiring.secrets(), rules=wiring.config_rules(), now=wiring.clock().now()
    )


@app.route("/admin/server-config", methods=["GET"])
@page(needs=Needs.ADMIN)
def page_config(_who: Principal) -> ConfigPage:
    """Show the settings by section, with forms."""
    return config_page.config_page(wiring.state(), wiring.secrets(), wiring.config_rules())


@app.route("/admin/server-config", methods=["POST"])
@form(needs=Needs.ADMIN, body=ConfigForm, page=page_config)
def post_config_form(who: Principal, body: SectionForm) -> Done:
    """Save a section."""
    notice = config_page.save(
        wiring.state(), who, body, secrets=wiring.secrets(), rules=wiring.config_rules(), now=wiring.clock().now()
    )
    return Done(f"{config_page.PATH}#{body.action}", notice)
