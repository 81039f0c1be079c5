"""The archive: everything about a task, content-addressed and hash-chained, kept longer than Temporal keeps it."""
