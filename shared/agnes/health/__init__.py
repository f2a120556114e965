"""Whether the installation works: what is tried and counted, and the report of it. Above every domain that it looks at."""
