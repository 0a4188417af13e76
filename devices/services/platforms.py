"""Which platform a device belongs to, told by its product: no message of the protocol says it outright."""

from devices.models.device import Platform

# ProductName ("iPhone15,2", "MacBookPro18,1", "Mac14,2", "AppleTV14,1") or ModelName, from its beginning.
_BEGINNINGS = {
    "iphone": Platform.IOS,
    "ipad": Platform.IOS,
    "ipod": Platform.IOS,
    "appletv": Platform.TVOS,
    "apple tv": Platform.TVOS,
    "realitydevice": Platform.VISIONOS,
    "apple vision": Platform.VISIONOS,
    "watch": Platform.WATCHOS,
    "apple watch": Platform.WATCHOS,
    "mac": Platform.MACOS,
    "imac": Platform.MACOS,
    "xserve": Platform.MACOS,
    "virtualmac": Platform.MACOS,
    "vmware": Platform.MACOS,
    "parallels": Platform.MACOS,
}


def platform_of(product_name: str, model_name: str = "") -> str:
    """A value of Platform; '' when neither name is known."""
    for name in (product_name.lower(), model_name.lower()):
        for beginning, platform in _BEGINNINGS.items():
            if name.startswith(beginning):
                return platform
    return Platform.UNKNOWN
