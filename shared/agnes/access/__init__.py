"""Access: groups, who is in them, and what they were granted."""
