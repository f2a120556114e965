"""Settings that admins edit in the browser: which there are, what was set, and by whom (decision 146)."""
