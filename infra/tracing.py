"""Traces by OpenTelemetry on AWS: what `make deploy TRACES=yes` adds to the templates.

It is a way of building and no parameter, since the packages are five megabytes of the `base` layer, which nobody else should download
at each cold start. X-Ray's own (`Tracing=Active`) needs none of it.
"""

from __future__ import annotations

from typing import Any

PARAMETERS: dict[str, dict[str, Any]] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": {
        "MaxLength": 100,
        "AllowedPattern": "https?://.+",
        "ConstraintDescription": "a URL",
        "Description": "Base URL of the collector of OpenTelemetry, which functions reach by http/protobuf.",
    },
    "OTEL_EXPORTER_OTLP_HEADERS": {
        "MaxLength": 120,
        "Default": "",
        "NoEcho": "true",
        "Description": "Headers that the collector wants, such as api-key=…; who may see a function's configuration sees them.",
    },
    "OTEL_TRACES_SAMPLER_ARG": {
        "MaxLength": 5,
        "Default": "0.05",
        "AllowedPattern": r"0|1|0?\.[0-9]{1,3}|1\.0",
        "ConstraintDescription": "a share between 0 and 1",
        "Description": "Share of the requests that are traced; one that comes with a trace follows that one's decision.",
    },
}
"""Parameters of the root stack, by the variable that a function gets."""
SAMPLER = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}


def switch_on(root: dict[str, Any], nested: dict[str, Any]) -> None:
    """Give every function the standard variables, from parameters of the root stack."""
    variables = nested["Globals"]["Function"]["Environment"]["Variables"]
    variables |= SAMPLER
    for name, parameter in PARAMETERS.items():
        logical = "".join(part.capitalize() for part in name.split("_"))
        root["Parameters"][logical] = {"Type": "String", **parameter}
        variables[name] = {"Ref": logical}
        if "NoEcho" in parameter:
            nested["Types"][logical] = {"Type": "String", "NoEcho": "true"}
