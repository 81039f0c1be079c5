"""The one way in which a step says that it may not do what it was ordered."""


class ActionRefused(Exception):
    """What was ordered may not happen, whoever asks again; the message is for people."""
