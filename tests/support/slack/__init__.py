"""A stand-in for Slack on this machine, written from docs.slack.dev: what it answers, refuses, and tells an app.

`server.py` runs one; `workspace.py` holds what is in it; `methods.py` answers its Web API; `sending.py` does what a
person in Slack does, signed as Slack signs.
"""
