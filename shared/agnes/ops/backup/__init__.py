"""Backups of an entire installation: taken from one object store into another, and put back into any.

    backups/<id>/began.json             a backup is being made, or was interrupted
    backups/<id>/first|lines|state/…    its lines, one an object: key, size, SHA-256, version, pack, offset
    backups/<id>/secrets.sealed         secrets, encrypted with the operator's passphrase, if there is one
    backups/<id>/manifest.json          written last: with it, the backup is whole
    packs/<2>/<sha256>                  bytes of one object or of many, shared by all backups of the place

docs/runbooks/backup.md says how an operator uses it, docs/decisions/ why it is as it is.
"""
