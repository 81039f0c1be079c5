"""The embedded stack: everything on one machine, with no account anywhere."""
