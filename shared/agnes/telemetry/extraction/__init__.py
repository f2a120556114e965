"""From transcripts to events and figures: what a run finds, reads and publishes."""
