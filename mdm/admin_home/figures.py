"""How many devices there are, of what kind, when they came, and what their commands are doing. Each number leads to its list."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices.models import Device, DeviceState, Platform
from mdm.accounts.models import Account
from mdm.admin_home.charts import Bar, Item, Part, bars, parts
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.common.counts import Number, count_up_to

DAYS = 30
NEWEST_VERSIONS = 6
STATES = {
    DeviceState.ENROLLED: "enrolled",
    DeviceState.AWAITING: "awaiting",
    DeviceState.UNENROLLED: "unenrolled",
}
PLATFORMS = {
    Platform.IOS: ("ios", "phone_iphone"),
    Platform.MACOS: ("macos", "laptop_mac"),
    Platform.TVOS: ("tvos", "connected_tv"),
    Platform.VISIONOS: ("visionos", "head_mounted_device"),
    Platform.WATCHOS: ("watchos", "watch"),
    Platform.UNKNOWN: ("unknown", "devices"),
}


@dataclass(frozen=True)
class Counted:
    """So many devices have this state, platform and version in common."""

    state: str
    platform: str
    version: str
    number: int


@dataclass(frozen=True)
class Figure:
    """A number that leads to the list behind it. key: names its element."""

    key: str
    title: str
    number: Number
    url: str
    icon: str
    tone: str = "plain"


@dataclass(frozen=True)
class PlatformShare:
    """A platform among the enrolled devices: its share, and its versions, newest first."""

    icon: str
    item: Item
    versions: list[Bar]


@dataclass(frozen=True)
class Day:
    """words: what is said of it, its number included."""

    day: date
    bar: Bar
    words: str


def counted_devices(account: Account) -> list[Counted]:
    """One statement, answered by an index alone."""
    rows = Device.objects.for_account(account).order_by().values_list("state", "platform", "os_version")
    return [Counted(*row) for row in rows.annotate(number=Count("*"))]


def by_state(counted: Iterable[Counted]) -> list[Item]:
    numbers = _sum(counted, "state")
    return [Item(key, str(state.label), numbers[state], _devices(state=state.value)) for state, key in STATES.items()]


def by_platform(counted: Iterable[Counted]) -> list[PlatformShare]:
    """Of the enrolled devices; platforms that nobody has are left out, the most frequent is first."""
    enrolled = [one for one in counted if one.state == DeviceState.ENROLLED]
    numbers = _sum(enrolled, "platform")
    versions: dict[str, Counter[str]] = defaultdict(Counter)
    for one in enrolled:
        versions[one.platform][one.version] += one.number
    found = []
    for platform, (key, icon) in PLATFORMS.items():
        if numbers[platform]:
            item = Item(key, str(platform.label), numbers[platform], _platform_url(platform))
            found.append(PlatformShare(icon, item, _versions(platform, versions[platform])))
    return sorted(found, key=lambda one: -one.item.number)


def shares(platforms: Iterable[PlatformShare]) -> list[Part]:
    return parts([one.item for one in platforms])


def enrollments(account: Account) -> list[Day]:
    """The last days, today's the last, those without any too. One statement, answered by an index alone."""
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    since = timezone.make_aware(datetime.combine(first, time.min))
    rows = Device.objects.for_account(account).filter(enrolled_at__gte=since).order_by()
    numbers = dict(rows.annotate(day=TruncDate("enrolled_at")).values_list("day").annotate(number=Count("*")))
    days = [first + timedelta(days=ahead) for ahead in range(DAYS)]
    drawn = bars([Item(f"{day:%m%d}", date_format(day), numbers.get(day, 0), _devices(enrolled=day)) for day in days])
    return [Day(day, bar, _day_words(bar.item)) for day, bar in zip(days, drawn, strict=True)]


def command_figures(account: Account) -> list[Figure]:
    """Two statements; both indexes hold only the few commands that are counted."""
    commands = Command.objects.for_account(account)
    since = timezone.now() - timedelta(days=1)
    waiting = count_up_to(commands.filter(state__in=WAITING))
    failed = count_up_to(commands.filter(state=State.FAILED, finished_at__gte=since))
    url = reverse("admin:mdm_commands_command_changelist")
    return [
        Figure("waiting", _("Commands waiting"), waiting, f"{url}?state=waiting", "pending_actions"),
        Figure(
            "failed",
            _("Failed in 24 hours"),
            failed,
            f"{url}?state=failed&finished=day",
            "error",
            "bad" if failed else "plain",
        ),
    ]


def _versions(platform: Platform, numbers: Mapping[str, int]) -> list[Bar]:
    """The newest, and all others in one: those that are older, and those that are not known."""
    known = sorted((version for version in numbers if version), key=version_key, reverse=True)
    newest, older = known[:NEWEST_VERSIONS], known[NEWEST_VERSIONS:]
    key, _icon = PLATFORMS[platform]
    items = [
        Item(
            f"{key}-{index}",
            version,
            numbers[version],
            _devices(state=DeviceState.ENROLLED, os=f"{platform.value} {version}"),
        )
        for index, version in enumerate(newest)
    ]
    if older:
        url = _devices(state=DeviceState.ENROLLED, os_below=newest[-1], os_of=platform.value)
        items.append(Item(f"{key}-older", _("Older"), sum(numbers[version] for version in older), url))
    return bars(items)


def version_key(version: str) -> list[int]:
    """ "17.10" is newer than "17.9"."""
    return [int(part) if part.isdecimal() else 0 for part in version[:40].split(".")]


def _sum(counted: Iterable[Counted], what: str) -> Counter[str]:
    numbers: Counter[str] = Counter()
    for one in counted:
        numbers[getattr(one, what)] += one.number
    return numbers


def _platform_url(platform: Platform) -> str:
    """Devices that have not said what they are cannot be filtered by it: that is all enrolled ones then."""
    named = {"platform": platform.value} if platform.value else {}
    return _devices(state=DeviceState.ENROLLED, **named)


def _devices(**filters: object) -> str:
    return f"{reverse('admin:devices_device_changelist')}?{urlencode(filters)}"


def _day_words(item: Item) -> str:
    words = ngettext("%(number)s device enrolled on %(day)s", "%(number)s devices enrolled on %(day)s", item.number)
    return words % {"number": f"{item.number:,}", "day": item.label}
