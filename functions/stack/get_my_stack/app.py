"""What the caller may have, and has."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import service
from agnes.stack.model import MyStack

app = Function("stack-get_my_stack")


@app.route("/api/my-stack", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES)
def get_my_stack(who: Principal) -> MyStack:
    """List granted and system plugins with their switch."""
    with wiring.state().read(*service.FILES, spare=service.SPARED) as db:
        return service.my_stack(db, who)
