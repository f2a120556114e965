"""Plug-ins of LocalStack: a Lambda executor without Docker (plugin.py) schedules that fire (schedules.py),
and binary bodies through API Gateway (binary.py).
"""
