"""Where files of tables are in the installation's own store."""

STORE = "store:"
"""How a location there begins."""
INCOMING = "tables/incoming/"
"""Below it operators put files that tables are made of."""
