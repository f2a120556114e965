"""Shared knowledge: facts that people verified, reviewed once, available in every colleague's session."""
