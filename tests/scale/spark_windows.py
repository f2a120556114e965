"""Run by PySpark's own Python: `spark_windows.py MASTER SQL_FILE LAKE TODAY`; the rows as JSON, one a line.

Knows nothing of Agnes but what docs/scale.md says.
"""

from __future__ import annotations

import json
import sys

from pyspark.sql import SparkSession


def main(master: str, sql_file: str, lake: str, today: str) -> None:
    spark = (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    try:
        spark.read.option("basePath", f"{lake}/telemetry/events").parquet(
            f"{lake}/telemetry/events"
        ).createOrReplaceTempView("stored")
        spark.read.parquet(f"{lake}/telemetry/current/sessions.parquet").createOrReplaceTempView("current_sessions")
        with open(sql_file, encoding="utf-8") as file:  # noqa: PTH123
            found = spark.sql(file.read(), args={"today": today})
        for row in found.collect():
            sys.stdout.write(json.dumps(row.asDict(), default=str) + "\n")
    finally:
        spark.stop()


main(*sys.argv[1:])
