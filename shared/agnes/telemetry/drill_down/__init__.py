"""One session, one person: lists, conversations and downloads."""
