"""The flea market: skills, agents and plugins that analysts upload."""
