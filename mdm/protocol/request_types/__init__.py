"""The catalogue of commands: every request type with its parameters, their checks, and builders.

Builders live in the family modules and are imported from there: `from mdm.protocol.request_types.power import …`.
"""

from mdm.protocol.request_types.catalogue import REQUEST_TYPES, find
from mdm.protocol.request_types.cleaning import clean, to_command
from mdm.protocol.request_types.defaults import with_defaults
from mdm.protocol.request_types.errors import InvalidCommand, NothingGiven, NotSupported
from mdm.protocol.request_types.hiding import HIDDEN, join_secrets, redacted, split_secrets
from mdm.protocol.request_types.queries import default_queries
from mdm.protocol.request_types.request import Request
from mdm.protocol.request_types.schema import Parameter, Platform, RequestType, SharedIPad, Support
from mdm.protocol.request_types.spelling import from_snake_case, to_snake_case
from mdm.protocol.request_types.targets import Target, check_target

__all__ = [
    "HIDDEN",
    "REQUEST_TYPES",
    "InvalidCommand",
    "NotSupported",
    "NothingGiven",
    "Parameter",
    "Platform",
    "Request",
    "RequestType",
    "SharedIPad",
    "Support",
    "Target",
    "check_target",
    "clean",
    "default_queries",
    "find",
    "from_snake_case",
    "join_secrets",
    "redacted",
    "split_secrets",
    "to_command",
    "to_snake_case",
    "with_defaults",
]
