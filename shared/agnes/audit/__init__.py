"""Who did what: reading the audit, moving what is old of it away, and whether the house is well. The top of the ladder."""
