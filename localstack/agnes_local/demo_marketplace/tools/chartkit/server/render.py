#!/usr/bin/env python3
"""An MCP server over standard input and output with one tool, `bars`: a bar chart made of text."""

from __future__ import annotations

import json
import sys

WIDTH = 40
BARS = {
    "name": "bars",
    "description": "A horizontal bar chart of labelled, non-negative numbers, as text",
    "inputSchema": {
        "type": "object",
        "properties": {"values": {"type": "object", "additionalProperties": {"type": "number"}}},
        "required": ["values"],
    },
}


def bars(values: dict[str, float]) -> str:
    if not values or min(values.values()) < 0:
        raise ValueError("bars wants at least one value, and none below zero")
    top, label = max(values.values()) or 1, max(map(len, values))
    return "\n".join(f"{name:<{label}} {'█' * round(value / top * WIDTH)} {value:g}" for name, value in values.items())


def answer(method: str, params: dict) -> dict:
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "render", "version": "0.9.2"},
        }
    if method == "tools/list":
        return {"tools": [BARS]}
    if method == "tools/call":
        try:
            return {"content": [{"type": "text", "text": bars(params["arguments"]["values"])}]}
        except (KeyError, TypeError, ValueError) as wrong:
            return {"content": [{"type": "text", "text": str(wrong)}], "isError": True}
    return {}


def main() -> None:
    for line in sys.stdin:
        call = json.loads(line)
        if "id" in call:  # notifications want no answer
            result = answer(call["method"], call.get("params", {}))
            print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
