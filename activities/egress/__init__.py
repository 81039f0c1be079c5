"""The egress gateway: the only way out of a sandbox, and the record of every use of it."""
