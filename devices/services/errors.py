"""Why something cannot be done with a device; str(error) is a sentence for the person who asked."""


class DeviceError(Exception):
    """Base of them all."""


class NotEnrolled(DeviceError):
    """The device has no open channel of that kind."""


class NotPossible(DeviceError):
    """The request makes no sense for this object as it is now."""
