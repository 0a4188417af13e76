"""What can go wrong when people let devices in; str(error) is a plain sentence for them."""


class EnrollmentError(Exception):
    """The request makes no sense or is not allowed; nothing was changed."""
