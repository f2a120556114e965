"""What many commands take."""

from __future__ import annotations

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print the server's answer.")
