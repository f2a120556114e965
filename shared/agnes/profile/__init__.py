"""Pages about oneself: the account, its tokens and access, and connecting Claude Code."""
