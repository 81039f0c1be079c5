"""Tests that a patch weakens without removing them: what they assert is read from their syntax, before and after."""
