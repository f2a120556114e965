"""Plug-ins of LocalStack: a Lambda executor without Docker (plugin.py), schedules that fire (schedules.py),
binary bodies through API Gateway (binary.py), and listings that compare keys as they are (listing.py).
"""
