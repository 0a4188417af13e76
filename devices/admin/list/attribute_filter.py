"""Filter by the value of a custom attribute that counts for a device: its own, else its group's, else that of the first of its
assignment groups that has one, else the default (as `devices/services/attributes.py` says it)."""

from collections import defaultdict

from django.db.models import BooleanField, Case, Q, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.list.filters import NOTHING, Chip, Choice, Filter, Values
from devices.admin.list.known import Known
from devices.models import AssignmentMember, AttributeValue, CustomAttribute
from mdm.accounts.admin_base import row_number


class AttributeFilter(Filter):
    """attribute: its pk. attribute_is: is, not, set or unset. attribute_value: the text; its case counts."""

    parameters, title = ("attribute", "attribute_is", "attribute_value"), gettext_lazy("Custom attribute")

    def comparisons(self) -> list[Choice]:
        return [
            Choice("is", _("is")),
            Choice("not", _("is not")),
            Choice("set", _("is set")),
            Choice("unset", _("is not set")),
        ]

    def condition(self, values: Values, known: Known) -> Q:
        attribute = self._attribute(values, known)
        if attribute is None or self._fault(values, known):
            return NOTHING
        how, text = self._how(values), values.get("attribute_value", "")
        if how in ("set", "unset"):
            fits = _counts(attribute, None)
        else:
            fits = _counts(attribute, text)
        wanted = how in ("is", "set")
        return Q(fits) if wanted else ~Q(fits)

    def chips(self, values: Values, known: Known) -> list[Chip]:
        fault = self._fault(values, known)
        if fault:
            return [Chip(fault, self.parameters, is_fault=True)]
        facts = {"name": self._attribute(values, known), "value": values.get("attribute_value", "")}
        words = {
            "is": _("%(name)s is “%(value)s”"),
            "not": _("%(name)s is not “%(value)s”"),
            "set": _("%(name)s is set"),
            "unset": _("%(name)s is not set"),
        }
        return [Chip(words[self._how(values)] % facts, self.parameters)]

    def _attribute(self, values: Values, known: Known) -> CustomAttribute | None:
        return known.attribute(row_number(values["attribute"]) or 0)

    def _how(self, values: Values) -> str:
        return values.get("attribute_is", "is")

    def _fault(self, values: Values, known: Known) -> str:
        if self._attribute(values, known) is None:
            return _("There is no such custom attribute, or its values are secret.")
        if self._how(values) not in ("is", "not", "set", "unset"):
            return _("The condition on a custom attribute is not understood.")
        if self._how(values) in ("is", "not") and not values.get("attribute_value"):
            return _("Say which value the attribute has, or choose “is set”.")
        return ""


def _counts(attribute: CustomAttribute, text: str | None) -> Case:
    """Whether the value that counts is this text; None: whether there is one. The first that has a value decides.

    The rows of groups are few and read here; those of devices stay in the database.
    """
    rows = AttributeValue.objects.filter(attribute=attribute)
    own = rows.filter(device__isnull=False)
    of_groups = dict(rows.filter(device_group__isnull=False).values_list("device_group_id", "plain"))
    whens = [When(pk__in=own.filter(plain=text).values("device"), then=Value(True))] if text is not None else []
    whens.append(When(pk__in=own.values("device"), then=Value(text is None)))
    by_value = defaultdict(list)
    for pk, plain in of_groups.items():
        by_value[text is None or plain == text].append(pk)
    whens += [When(group_id__in=pks, then=Value(fits)) for fits, pks in by_value.items()]
    whens += _of_assignment_groups(attribute, text)
    default = bool(attribute.plain) if text is None else attribute.plain == text
    return Case(*whens, default=Value(default), output_field=BooleanField())


def _of_assignment_groups(attribute: CustomAttribute, text: str | None) -> list[When]:
    rows = AttributeValue.objects.filter(attribute=attribute, assignment_group__isnull=False)
    values = list(
        rows.order_by("assignment_group__priority", "assignment_group_id").values_list("assignment_group_id", "plain")
    )
    if not values:
        return []
    members = AssignmentMember.objects.filter(account_id=attribute.account_id)
    device_groups: dict[int, list[int]] = defaultdict(list)
    whole = members.filter(group_id__in=[pk for pk, _plain in values], device_group__isnull=False)
    for pk, device_group in whole.values_list("group_id", "device_group_id"):
        device_groups[pk].append(device_group)
    return [
        When(
            Q(pk__in=members.filter(group_id=pk, device__isnull=False).values("device"))
            | Q(group_id__in=device_groups[pk]),
            then=Value(text is None or plain == text),
        )
        for pk, plain in values
    ]


ATTRIBUTE = AttributeFilter()
