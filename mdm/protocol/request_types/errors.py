"""What is wrong with a command, said so that the sender can mend it."""

from mdm.protocol.errors import ProtocolError


class InvalidCommand(ProtocolError):
    """A request type or parameter that Apple's devices would not understand; the message names path and fault."""


class NothingGiven(InvalidCommand):
    """None of several parameters of which at least one is needed."""


class NotSupported(InvalidCommand):
    """A sound command that this device cannot obey."""
