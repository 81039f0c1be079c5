"""What people are told of a failed step."""


def message_of(error: BaseException) -> str:
    """What a person should read of a failure: the innermost message, without Temporal's wrapping."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).removeprefix(f"{getattr(error, 'type', '')}: ")
