"""Who did what: reading the audit, and moving old entries to the archive."""
