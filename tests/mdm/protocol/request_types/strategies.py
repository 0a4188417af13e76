"""Hypothesis strategies that follow the catalogue: parameters a request type accepts, and arbitrary rubbish."""

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from mdm.protocol.request_types import REQUEST_TYPES, Parameter, RequestType
from mdm.protocol.request_types.formats import PRINTABLE_ASCII, SIX_DIGITS

REQUEST_TYPE_NAMES = st.sampled_from(sorted(REQUEST_TYPES))

# What an XML property list can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
DATES = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))

_SCALARS = {
    "string": TEXT,
    "integer": INTEGERS,
    "real": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "data": st.binary(max_size=20),
    "date": DATES,
}
_FORMATS = {
    SIX_DIGITS: st.from_regex(r"[0-9]{6}", fullmatch=True),
    PRINTABLE_ASCII: st.from_regex(r"[\x20-\x7e]{0,10}", fullmatch=True),
}

FREE = st.recursive(
    st.one_of(*_SCALARS.values()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(lambda key: key[:1] != "$"), inner, max_size=3)
    ),
    max_leaves=8,
)

RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.binary(max_size=5) | DATES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.integers() | st.sampled_from(["Item", "Identifier", "$data"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.values:
        return st.sampled_from(parameter.values)
    if parameter.format:
        return _FORMATS[parameter.format]
    if parameter.minimum is not None:
        return st.integers(parameter.minimum, parameter.maximum)
    if parameter.type == "array":
        return st.lists(st.one_of([values(child) for child in parameter.children]), max_size=3)
    if parameter.is_free:
        return st.dictionaries(TEXT, FREE, max_size=3)
    if parameter.type == "dictionary":
        return dictionaries(parameter.children)
    return _SCALARS[parameter.type]


def dictionaries(parameters: tuple[Parameter, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {parameter.key: values(parameter) for parameter in parameters if parameter.required},
        optional={parameter.key: values(parameter) for parameter in parameters if not parameter.required},
    )


def parameters_of(definition: RequestType) -> st.SearchStrategy[dict[str, Any]]:
    """Parameters that clean() accepts."""
    made = dictionaries(definition.parameters)
    if not definition.at_least_one:
        return made
    needed = definition.parameter(definition.at_least_one[0])
    assert needed is not None
    return st.builds(lambda some, value: {**some, needed.key: value}, made, values(needed))


SOUND_REQUESTS = REQUEST_TYPE_NAMES.flatmap(lambda name: st.tuples(st.just(name), parameters_of(REQUEST_TYPES[name])))
