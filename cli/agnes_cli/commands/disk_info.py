from __future__ import annotations

import os
import shutil

import click

from agnes_cli import shown
from agnes_cli.options import JSON

QUOTA_GB = 10.0


@click.command(epilog="\b\nExample:\n  agnes disk-info --json")
@JSON
def command(as_json: bool) -> None:
    """Show how much room the copies of tables and the snapshots of this workspace take, and how much is left."""
    from agnes_cli.storing import size
    from agnes_cli.tables import choosing

    here = choosing.local()
    snapshots = [path.stat().st_size for path in here.snapshots.glob("*.parquet")]
    tables = [path.stat().st_size for path in here.copies.parquet.rglob("*") if path.is_file()]
    given = os.environ.get("AGNES_SNAPSHOT_QUOTA_GB", "")
    found = {
        "tables_dir": str(here.copies.parquet),
        "tables_bytes": sum(tables),
        "table_count": len(here.copies.tables()),
        "snapshots_dir": str(here.snapshots),
        "used_bytes": sum(snapshots),
        "snapshot_count": len(snapshots),
        "free_bytes": shutil.disk_usage(here.copies.root).free,
        "quota_gb": float(given) if given.replace(".", "", 1).isdigit() else QUOTA_GB,
    }
    if as_json:
        shown.as_json(found)
        return
    shown.facts(
        {
            "Tables": f"{found['table_count']}, {size(sum(tables))} in {found['tables_dir']}",
            "Snapshots": f"{len(snapshots)}, {size(sum(snapshots))} of {found['quota_gb']:g} GB in {found['snapshots_dir']}",
            "Free": size(shutil.disk_usage(here.copies.root).free),
        }
    )
