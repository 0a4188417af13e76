"""The order in which pages show how far items have come."""

from devices.models import ItemState

# What is well first, then what is under way, then what needs somebody.
COLUMNS = (
    ItemState.INSTALLED,
    ItemState.PUSHED,
    ItemState.PENDING,
    ItemState.FAILED,
    ItemState.REMOVING,
    ItemState.NOT_APPLICABLE,
)
