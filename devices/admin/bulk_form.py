"""What every form for many devices is: what it asks, and the order that is made of the answers."""

from collections.abc import Iterator
from typing import Any

from django import forms

from devices.admin.bulk_choice import Reach
from devices.admin.bulk_confirmation import CONFIRMATION, check_confirmation, confirmation_field
from devices.admin.command_form import Section
from devices.services.bulk_orders import Wanted
from mdm.accounts.admin_forms import PageForm, dress


class BulkForm(PageForm):
    """One action. reach: which devices it is for. Those that destroy ask for the number of devices at the end."""

    only_for: dict[str, str] = {}  # field → the platform without which it is not asked

    def __init__(self, *args: Any, reach: Reach, is_destructive: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reach = reach
        for name, platform in self.only_for.items():
            if not reach.has(platform):
                del self.fields[name]
        if is_destructive:
            self.fields[CONFIRMATION] = confirmation_field(reach.total)
            dress(self.fields[CONFIRMATION])

    def parts(self) -> Iterator[tuple[Section, list[forms.BoundField]]]:
        """As the form of a command has them: without the confirmation, which stands in a box of its own."""
        names = [name for name in self.fields if name != CONFIRMATION]
        if names:
            yield Section(names=names), [self[name] for name in names]

    def clean(self) -> dict[str, Any]:
        check_confirmation(self, self.reach.total)
        return self.cleaned_data

    @property
    def missing(self) -> tuple[str, str] | None:
        """What must be made first: a sentence, and the name of the page where."""
        return None

    def wanted(self) -> Wanted:
        """The order; after `is_valid()`. Raises ProtocolError or DeviceError for what no device would understand."""
        raise NotImplementedError
