"""Why something cannot be done with a device; str(error) is a sentence for the person who asked."""

from mdm.common.words import count_of


class DeviceError(Exception):
    """Base of them all."""


class NotEnrolled(DeviceError):
    """The device has no open channel of that kind."""


class NotPossible(DeviceError):
    """The request makes no sense for this object as it is now."""


class SetChanged(DeviceError):
    """There are more or fewer devices by now than the person agreed to; nothing was done. number: how many there are."""

    def __init__(self, number: int, noun: str = "device") -> None:
        super().__init__(f"By now it would be {count_of(number, noun)}. Nothing was done.")
        self.number = number
