"""Which devices an action on many is for: those that were ticked, or all that a list's address finds."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from devices.admin.list.search import matching
from devices.models import Device, DeviceState, Platform
from devices.services.errors import NotPossible
from mdm.accounts.admin_base import row_number

MOST_BY_HAND = 1000
MOST_QUERY_CHARACTERS = 4000


@dataclass(frozen=True)
class Reach:
    """Which kinds of devices are among the chosen ones. numbers: (platform, is enrolled) → how many."""

    numbers: Counter[tuple[str, bool]]

    @classmethod
    def of_number(cls, number: int) -> "Reach":
        """Of so many, whose kinds do not matter."""
        return cls(Counter({(Platform.UNKNOWN.value, True): number}))

    @property
    def total(self) -> int:
        return self.numbers.total()

    @property
    def not_enrolled(self) -> int:
        return sum(number for (_platform, is_enrolled), number in self.numbers.items() if not is_enrolled)

    @property
    def platforms(self) -> list[tuple[str, int]]:
        """The name of each platform with its number of devices, the largest first."""
        found: Counter[str] = Counter()
        for (platform, _is_enrolled), number in self.numbers.items():
            found[platform] += number
        return [
            (str(Platform(platform).label) if platform else _("of a kind not known yet"), number)
            for platform, number in found.most_common()
        ]

    def has(self, platform: str) -> bool:
        """Whether one of that platform is among them, or may be: of a device that never enrolled nothing is known."""
        return any(one in (platform, Platform.UNKNOWN) for one, _is_enrolled in self.numbers)

    def has_only(self, platform: str) -> bool:
        return {one for one, _is_enrolled in self.numbers} == {platform}

    @property
    def only_platform(self) -> str:
        """The platform that all enrolled ones have; empty if there are several."""
        known = {one for (one, is_enrolled) in self.numbers if is_enrolled}
        return known.pop() if len(known) == 1 else ""


@dataclass(frozen=True)
class Choice:
    """devices: of the account. fields: what the next form sends so that they are found again. back: the list they come from."""

    devices: QuerySet[Device]
    fields: list[tuple[str, str]]
    back: str

    @cached_property
    def reach(self) -> Reach:
        """One statement, which PostgreSQL answers from an index as long as nothing is searched for."""
        rows = self.devices.order_by().values_list("platform", "state").annotate(number=Count("pk"))
        numbers: Counter[tuple[str, bool]] = Counter()
        for platform, state, number in rows:
            numbers[platform, state == DeviceState.ENROLLED] += number
        return Reach(numbers)


def choice_of(request: HttpRequest, list_url: str) -> Choice | None:
    """None when the request names no device. Raises NotPossible for more than can be ticked by hand, or a long address."""
    account = request.get_account()
    given = request.POST if request.method == "POST" else request.GET
    if given.get("all") == "1":
        query = given.get("query", "").lstrip("?")
        if len(query) > MOST_QUERY_CHARACTERS:
            # Half of it would find more devices than the list showed.
            raise NotPossible(
                _(
                    "The filters of the list are too long to choose devices by. Nothing was done: use fewer or shorter ones."
                )
            )
        back = f"{list_url}?{query}" if query else list_url
        return Choice(matching(request, query), [("all", "1"), ("query", query)], back)
    # Ticked boxes come one by one; what was asked once is sent on as one field.
    texts = [*given.getlist("device"), *given.get("devices", "").split(",")]
    pks = sorted({pk for pk in map(row_number, texts) if pk is not None})
    if len(pks) > MOST_BY_HAND:
        raise NotPossible(
            _("At most %(most)s devices can be ticked. For more, choose all that match.")
            % {"most": f"{MOST_BY_HAND:,}"}
        )
    if not pks:
        return None
    devices = Device.objects.for_account(account).filter(pk__in=pks)
    return Choice(devices, [("devices", ",".join(map(str, pks)))], list_url)
