"""What can go wrong when people let devices in; str(error) is a plain sentence for them."""


class EnrollmentError(Exception):
    """The request makes no sense or is not allowed; nothing was changed."""


class TooManyInvitations(EnrollmentError):
    """The account has sent as many as it may; one more after wait seconds."""

    def __init__(self, sentence: str, wait: float) -> None:
        super().__init__(sentence)
        self.wait = wait


class NotSent(Exception):
    """An invitation was refused, and would be again."""


class NotSentYet(Exception):
    """An invitation was not taken, but may be later; it may even have arrived.

    is_down: others would fare the same for now. retry_after_seconds: what the other side asked for, else 0.
    """

    def __init__(self, sentence: str, *, is_down: bool = True, retry_after_seconds: float = 0.0) -> None:
        super().__init__(sentence)
        self.is_down = is_down
        self.retry_after_seconds = retry_after_seconds
