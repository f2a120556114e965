"""Transcripts from drop locations: a folder, SFTP, a prefix of a bucket."""
