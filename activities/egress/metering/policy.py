"""What the worker tells the meter about one sandbox, in a file that it replaces whole. No credential is in it."""

from activities.egress.contract import BrokeredService
from workflows.models.base import Model
from workflows.models.usage import Allowance


class SandboxPolicy(Model):
    """The services, prices and limits of one sandbox."""

    ledger: str
    """Name of the directory that its usage is kept in."""
    allowance: Allowance = Allowance()
    brokered: tuple[BrokeredService, ...] = ()
