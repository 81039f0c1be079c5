"""Sandboxes: where anything an agent or a repository wrote may run."""
