"""The object store over S3 (`s3`), a folder (`folder`) and memory (`memory`), and its start-up probe (`probe`).

One port, `agnes.kernel.ports.ObjectStore`; one contract suite, `tests/contract/test_object_store.py`.
"""
