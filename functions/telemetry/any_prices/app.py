"""What models cost: the dated prices that figures are made with."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.lake import prices

app = Function("telemetry-any_prices")


class Which(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=101)
    valid_from: date


@app.route("/api/admin/usage/prices", methods=["GET"])
@app.route("/api/admin/telemetry/prices", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("telemetry",))
def get_prices(who: Principal) -> list[prices.Price]:
    """List prices in US dollars a million tokens, by model, the newest first."""
    return prices.prices(wiring.state(), who)


@app.route("/api/admin/usage/prices", methods=["PUT"])
@app.route("/api/admin/telemetry/prices", methods=["PUT"])
@endpoint(needs=Needs.ADMIN, body=prices.PriceUpdate)
def put_price(who: Principal, body: prices.PriceUpdate) -> prices.Price:
    """Set what a model costs from a day on; costs beside items follow with the next run of the extraction."""
    return prices.set_price(wiring.state(), who, body, now=wiring.clock().now())


@app.route("/api/admin/usage/prices", methods=["DELETE"])
@app.route("/api/admin/telemetry/prices", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN, query=Which)
def delete_price(who: Principal, query: Which) -> None:
    """Take a price away; what it was in force for has the one before it, or is unpriced."""
    prices.remove_price(wiring.state(), who, query.model, query.valid_from)
