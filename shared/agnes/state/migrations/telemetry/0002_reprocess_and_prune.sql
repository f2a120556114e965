-- Sessions that were extracted earlier are extracted again, in the background; events of earlier days are not kept.
ALTER TABLE telemetry.progress ADD COLUMN reprocess_before TIMESTAMPTZ;
ALTER TABLE telemetry.progress ADD COLUMN pruned_before DATE;
