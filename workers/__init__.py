"""The processes a person starts: the only place that reads settings, builds clients and wires them together."""
