class BadPackage(ValueError):
    """A file that is no app or package, or a damaged one; str(error) is a sentence for the person who uploaded it."""
