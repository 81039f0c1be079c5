"""The record of drills, for whoever reads it without the other parts."""

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.attested import WORKER
from activities.decisions.drills import FOLDER, Drills
from activities.decisions.keys import TrustedKeys
from activities.decisions.signing import GATEWAY
from workers.settings import Settings


def read_drills(settings: Settings, objects: Objects) -> Drills:
    """To be read only."""
    gateways, workers = (TrustedKeys.of_role(settings.keys_location, role) for role in (GATEWAY, WORKER))
    return Drills(Chains(objects, FOLDER, gateways), workers)
