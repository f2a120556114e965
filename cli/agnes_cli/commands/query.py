from __future__ import annotations

import json
import sys

import click

from agnes_cli.failures import BadInput
from agnes_cli.tables.choosing import REMOTE

MOST_STDIN = 1_000_000


@click.command(
    epilog="""\b
Examples:
  agnes query "SELECT country, sum(amount) FROM orders GROUP BY ALL"
  agnes query --format csv "FROM orders" --limit 100000 > orders.csv
  agnes query --remote "SELECT count(*) FROM events"
  echo '{"sql": "SELECT 1"}' | agnes query --stdin --format json
"""
)
@click.argument("sql", required=False)
@click.option("--sql", "given", metavar="SQL", help="The same as the argument.")
@click.option("--stdin", "from_stdin", is_flag=True, help='Read the SQL, or {"sql": …}, from standard input.')
@REMOTE
@click.option("--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--limit", type=click.IntRange(1, 10_000_000), default=1000, show_default=True, help="Rows at most.")
def command(
    *, sql: str | None, given: str | None, from_stdin: bool, remote: bool, format_: str, as_json: bool, limit: int
) -> None:
    """Run SQL (DuckDB's) over the tables that `agnes pull` brought here, your snapshots and your own views.

    With --remote the server runs it, over everything that you were granted. Rows beyond --limit are left out, and a note on
    standard error says so.
    """
    from agnes_cli.tables import choosing, printing
    from agnes_cli.tables import remote as server_side

    sources = [each for each in (sql, given, _read() if from_stdin else None) if each is not None]
    if len(sources) != 1:
        raise BadInput("give the SQL once: as the argument, with --sql, or with --stdin")
    statement = sources[0].strip().rstrip(";").strip()
    if not statement:
        raise BadInput("the SQL is empty")
    if remote:
        from agnes_cli.server import connect

        with connect() as server:
            found = server_side.run(server, statement, limit)
    else:
        found = choosing.local().run(statement, limit)
    printing.show(found.columns, found.rows, format="json" if as_json else format_)
    if found.truncated:
        click.echo(f"Note: there are more than {len(found.rows)} rows; --limit shows more.", err=True)


def _read() -> str:
    text = sys.stdin.read(MOST_STDIN)
    if not text.lstrip().startswith("{"):
        return text
    try:
        return str(json.loads(text)["sql"])
    except (ValueError, KeyError, TypeError) as exc:
        raise BadInput('standard input is neither SQL nor {"sql": …}') from exc
