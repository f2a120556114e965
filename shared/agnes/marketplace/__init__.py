"""Curated marketplaces: registered git repositories, their plugins, and the sync between the two."""
