"""The meter: a process beside Envoy that counts what sandboxes use of brokered services, and holds them to limits."""
