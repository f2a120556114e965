"""Adapters of the kernel's ports: the only place that talks to the world outside."""
