"""Pages for admins that put several domains together: overview, users, groups, access, tokens."""
