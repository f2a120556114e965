"""Transcripts as they are stored: received, packed, closed by a tombstone, let go after a time."""
