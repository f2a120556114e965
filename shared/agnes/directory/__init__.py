"""People and groups that another system keeps: OpenID Connect, Google Workspace, SCIM."""
