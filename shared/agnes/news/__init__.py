"""What admins tell everybody: short articles, newest first."""
