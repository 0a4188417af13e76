"""What the admin's templates use: `{% load pomona %}`."""

from typing import Any

import segno
from django import template
from django.utils.safestring import SafeString, mark_safe

from mdm.accounts import admin_html
from mdm.accounts.actors import who
from mdm.common.text import line_count
from mdm.common.words import count_of, file_size

register = template.Library()

register.filter("time_tag", admin_html.time_tag)
register.filter("who", who)
register.filter("file_size", file_size)
register.simple_tag(admin_html.badge, name="badge")
register.simple_tag(admin_html.copyable, name="copyable")
register.simple_tag(count_of, name="count_of")


@register.filter
def thousands(number: int) -> str:
    """ "1,200"."""
    return f"{number:,}"


@register.filter
def line_numbers(text: str) -> str:
    """ "1\\n2\\n3": a number for each line, to stand beside it."""
    return "\n".join(str(number) for number in range(1, line_count(text) + 1))


@register.filter
def state_badge(row: Any) -> SafeString:
    """The state of a device, command or channel in its own word and colour."""
    return admin_html.badge(row.get_state_display(), row.state)


@register.filter
def qr(text: str) -> SafeString:
    """The text as a QR code: SVG that stands in the page, dark on light in both themes, so that cameras read it."""
    code = segno.make(text, error="m", micro=False)
    svg = code.svg_inline(
        omitsize=True, border=3, dark="#000", light="#fff", svgclass="pm-qr", title="QR code of the link"
    )
    return mark_safe(svg)  # noqa: S308 segno escapes the title, and the text becomes only squares


@register.filter
def device_symbol(device: Any) -> str:
    """The name of an icon that looks like the device."""
    if device.platform == "iOS":
        return "tablet_mac" if "ipad" in f"{device.model_name} {device.product_name}".lower() else "phone_iphone"
    return {"macOS": "laptop_mac", "tvOS": "connected_tv", "visionOS": "head_mounted_device", "watchOS": "watch"}.get(
        device.platform, "devices"
    )


@register.simple_tag
def filter_choices(changelist: Any, spec: Any) -> dict[str, Any]:
    """A list's filter as a menu: its choices, the chosen one, and whether it filters at all."""
    choices = list(spec.choices(changelist))
    position, chosen = next(((i, one["display"]) for i, one in enumerate(choices) if one["selected"]), (0, ""))
    return {"choices": choices, "chosen": chosen, "is_set": position > 0}
