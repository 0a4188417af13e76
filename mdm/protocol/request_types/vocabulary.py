"""The small language the tables are written in: `string(...)`, `array(...)`, `on(ios="9.3")`, `only(macos="10.13")`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mdm.protocol.request_types.names import label as label_of
from mdm.protocol.request_types.schema import (
    ALLOWED,
    NOT_AVAILABLE,
    REQUIRED,
    Parameter,
    Platform,
    SharedIPad,
    Support,
)

NO = Support(introduced=NOT_AVAILABLE)
SAME = Support()  # as the level above

# Shared iPad: which channels have it (the usual case, device channel only, needs no word).
SHARED_BOTH = SharedIPad(ALLOWED, True, True)
SHARED_USER = SharedIPad(ALLOWED, False, True)
SHARED_ONLY = SharedIPad(REQUIRED, True, False)

Given = Support | str


def on(
    *,
    ios: Given | None = None,
    macos: Given | None = None,
    tvos: Given | None = None,
    visionos: Given | None = None,
    watchos: Given | None = None,
    every: Support | None = None,
) -> Mapping[Platform, Support]:
    """Support by platform; a version stands for "since then". `every` holds for all the platforms named."""
    given = {
        Platform.IOS: ios,
        Platform.MACOS: macos,
        Platform.TVOS: tvos,
        Platform.VISIONOS: visionos,
        Platform.WATCHOS: watchos,
    }
    named: dict[Platform, Support] = {}
    for platform, value in given.items():
        if value is None:
            continue
        own = Support(introduced=value) if isinstance(value, str) else value
        named[platform] = own.within(every) if every is not None and own.is_available else own
    return MappingProxyType(named)


def only(**platforms: Any) -> Mapping[Platform, Support]:
    """Like `on`, and not available on the platforms that are not named. `only()` is nowhere."""
    named = on(**platforms)
    return MappingProxyType({platform: named.get(platform, NO) for platform in Platform})


def _parameter(key: str, kind: str, children: tuple[Parameter, ...], options: dict[str, Any]) -> Parameter:
    options.setdefault("label", label_of(key))
    return Parameter(key=key, type=kind, children=children, **options)


def string(key: str, *values: Parameter, **options: Any) -> Parameter:
    return _parameter(key, "string", values, options)


def integer(key: str, **options: Any) -> Parameter:
    return _parameter(key, "integer", (), options)


def boolean(key: str, **options: Any) -> Parameter:
    return _parameter(key, "boolean", (), options)


def data(key: str, **options: Any) -> Parameter:
    return _parameter(key, "data", (), options)


def anything(key: str, **options: Any) -> Parameter:
    return _parameter(key, "any", (), options)


def array(key: str, *children: Parameter, **options: Any) -> Parameter:
    """One child: the shape of the entries. Several: alternatives told apart by `Item`."""
    return _parameter(key, "array", children, options)


def dictionary(key: str, *children: Parameter, **options: Any) -> Parameter:
    return _parameter(key, "dictionary", children, options)
