-- Working folders of a session, each as a number of its own; none: it was extracted before they were counted, and will be again.
ALTER TABLE telemetry.sessions ADD COLUMN folders BIGINT[];
