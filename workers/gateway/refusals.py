"""How the gateway says no: a type per kind of no, each with an HTTP status, all with words to act on."""


class Refused(Exception):
    """The request is understood and not done."""

    status = 409


class NotFound(Refused):
    """There is no such thing."""

    status = 404


class Invalid(Refused):
    """The request itself makes no sense."""

    status = 422


class Forbidden(Refused):
    """This person may not."""

    status = 403


class Locked(Refused):
    """Its work is halted."""

    status = 423


class NoRoom(Refused):
    """A disk is too full for new work."""

    status = 507


class Unavailable(Refused):
    """Something this depends on does not answer now; nothing was lost."""

    status = 503
