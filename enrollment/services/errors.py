"""What can go wrong when people let devices in; str(error) is a plain sentence for them."""


class EnrollmentError(Exception):
    """The request makes no sense or is not allowed; nothing was changed."""


class TooManyInvitations(EnrollmentError):
    """The account has sent as many as it may; one more after wait seconds."""

    def __init__(self, sentence: str, wait: float) -> None:
        super().__init__(sentence)
        self.wait = wait
