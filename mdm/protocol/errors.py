"""What can be wrong with a message; str(error) is a plain sentence, safe to show and to log."""


class ProtocolError(Exception):
    """A message that breaks the protocol; the sentence never repeats values taken from the message."""


class Malformed(ProtocolError):
    """Not a property list, or a value is missing, of the wrong type or out of bounds."""


class TooLarge(ProtocolError):
    """More bytes, or more values, than the server is willing to read."""


class UnknownMessageType(ProtocolError):
    """A check-in whose MessageType this server does not know."""


class BadSignature(ProtocolError):
    """A CMS signature that is absent, unreadable or does not fit what it signs."""
