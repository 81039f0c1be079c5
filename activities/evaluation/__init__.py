"""Judging a patch outside the agent's sandbox: three runs of the checks, findings, evidence."""
