"""Plug-ins of LocalStack: a Lambda executor without Docker (plugin.py) and schedules that fire (schedules.py)."""
