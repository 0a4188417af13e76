"""Why something cannot be done with an app; str(error) is a sentence for the person who asked."""


class CatalogError(Exception):
    """The request makes no sense for the catalogue as it is now; nothing was changed."""


class InvalidValue(CatalogError, ValueError):
    """A value of a managed configuration is not of its type."""
