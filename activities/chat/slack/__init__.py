"""Slack, by its own clients."""
