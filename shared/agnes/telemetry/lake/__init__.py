"""The event lake and its ledger: parquet by day, the rollups made of it, and which of it counts."""
