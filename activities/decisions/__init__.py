"""Decisions: signing them where a person was authenticated, verifying them where they take effect."""
