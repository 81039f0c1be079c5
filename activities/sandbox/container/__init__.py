"""Sandboxes as containers of Docker or Podman."""
