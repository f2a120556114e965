"""Trees: the immutable, content-addressed files of one version of one plugin."""
