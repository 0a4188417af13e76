"""Steps that people, devices and time may take, for tests that make up lists of them."""

from dataclasses import dataclass, field
from datetime import timedelta

from mdm.commands.models import Command
from mdm.commands.services import cancel
from mdm.commands.states import State
from mdm.virtual.installing import ALL_APPS, InstallCourse
from tests.convergence.desk import Desk
from tests.convergence.machines import Machine
from tests.convergence.model import ASSIGNMENT_GROUP, DEVICE, DEVICE_GROUP, App, Owner, Profile
from tests.convergence.world import World

REFUSABLE = ("InstallProfile", "InstallApplication", "InstallEnterpriseApplication", "RemoveProfile")
COURSES = (
    InstallCourse(steps=3),
    InstallCourse(steps=25),
    InstallCourse(steps=2, ends="Failed"),
    InstallCourse(ends="UserRejected"),
    InstallCourse(refusal="Other"),
    InstallCourse(refusal="Other", refused_as="Failed", chance=0.5),
)


@dataclass
class Stage:
    """What the steps act on, and each step as a method: a and b choose among what there is, flag between two sides."""

    desk: Desk
    device_groups: list[int]
    groups: list[int] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    was_cancelled: bool = False

    @property
    def world(self) -> World:
        return self.desk.world

    def machine(self, n: int) -> Machine:
        return self.world.machines[n % len(self.world.machines)]

    def group(self, n: int) -> int:
        return self.groups[n % len(self.groups)]

    def profile(self, n: int) -> Profile:
        return self.profiles[n % len(self.profiles)]

    def app(self, n: int) -> App:
        return self.apps[n % len(self.apps)]

    def member(self, n: int) -> Owner:
        owners = [(DEVICE, one.pk) for one in self.world.machines] + [(DEVICE_GROUP, pk) for pk in self.device_groups]
        return owners[n % len(owners)]

    def owner(self, n: int) -> Owner:
        owners = [(ASSIGNMENT_GROUP, pk) for pk in self.groups]
        kinds = len(self.world.machines) + len(self.device_groups)
        n %= kinds + len(owners)
        return self.member(n) if n < kinds else owners[n - kinds]

    # What people order

    def assign_profile(self, a: int, b: int, flag: bool) -> None:
        self.desk.assign_profile(self.profile(a), self.owner(b))

    def unassign_profile(self, a: int, b: int, flag: bool) -> None:
        known = sorted(self.desk.model.owners_of_profiles)
        if known:
            profile, owner = known[b % len(known)]
            self.desk.assign_profile(self.desk.model.profiles[profile], owner, off=True)

    def there_and_back(self, a: int, b: int, flag: bool) -> None:
        """Taken back and given again, perhaps with the workers between."""
        profiles, apps = sorted(self.desk.model.owners_of_profiles), sorted(self.desk.model.apps_of_groups)
        for off in (True, False):
            if profiles:
                profile, owner = profiles[a % len(profiles)]
                self.desk.assign_profile(self.desk.model.profiles[profile], owner, off=off)
            if apps:
                group, app = apps[b % len(apps)]
                self.desk.assign_app(self.desk.model.apps[app], group, off=off)
            if flag:
                self.world.work()

    def assign_app(self, a: int, b: int, flag: bool) -> None:
        one = (self.group(b), self.app(a).pk)
        self.desk.assign_app(self.app(a), self.group(b), off=one in self.desk.model.apps_of_groups)

    def join(self, a: int, b: int, flag: bool) -> None:
        one = (self.group(a), self.member(b))
        self.desk.join(*one, leave=one in self.desk.model.in_groups)

    def move(self, a: int, b: int, flag: bool) -> None:
        self.desk.move(self.machine(a), self.device_groups[b % len(self.device_groups)])

    def change_profile(self, a: int, b: int, flag: bool) -> None:
        self.desk.change_profile(self.profile(a))

    def replace_profile(self, a: int, b: int, flag: bool) -> None:
        """Deleted, and uploaded anew under the same identifier; nobody has the new one."""
        gone = self.profile(a)
        self.desk.delete_profile(gone)
        text = gone.texts[gone.version]
        heir = self.desk.add_profile(text, user_scope=gone.user_scope, identifier=gone.identifier)
        self.profiles[self.profiles.index(gone)] = heir
        if flag:
            self.desk.assign_profile(heir, self.owner(b))

    def change_scope(self, a: int, b: int, flag: bool) -> None:
        self.desk.set_user_scope(self.profile(a), flag)

    def change_app(self, a: int, b: int, flag: bool) -> None:
        app = self.app(a)
        if not app.store_id and len(app.versions) < 5:
            self.desk.change_app(app, f"{len(app.versions) + 1}.0", deploy_to=("none", "outdated")[b % 2])

    def replace_app(self, a: int, b: int, flag: bool) -> None:
        gone = self.app(a)
        if gone.store_id or gone.brings is not None:
            return
        self.desk.delete_app(gone)
        heir = self.desk.add_app(identifier=gone.identifier, version=f"{len(gone.versions) + 10}.0")
        self.apps[self.apps.index(gone)] = heir
        if flag:
            self.desk.assign_app(heir, self.group(b))

    def set_value(self, a: int, b: int, flag: bool) -> None:
        self.desk.set_value("department", self.owner(a), ("", "Sales", "Board")[b % 3])

    def turn_automatic(self, a: int, b: int, flag: bool) -> None:
        self.desk.change_group(self.group(a), auto_deploy=flag)

    def cancel_one(self, a: int, b: int, flag: bool) -> None:
        """An operator takes back what some device has not fetched yet."""
        waiting = list(Command.objects.filter(state=State.QUEUED).select_related("channel__device").order_by("pk"))
        if waiting:
            self.was_cancelled = True
            cancel(waiting[a % len(waiting)])

    # What devices and their people do

    def refuse(self, a: int, b: int, flag: bool) -> None:
        kind = REFUSABLE[b % len(REFUSABLE)]
        self.machine(a).behave(**({"not_now_for": {kind}} if flag else {"errors_for": {kind: None}}))

    def install_badly(self, a: int, b: int, flag: bool) -> None:
        self.machine(a).behave(installs={ALL_APPS: COURSES[b % len(COURSES)]})

    def behave(self, a: int, b: int, flag: bool) -> None:
        self.machine(a).behave()

    def delete_app_by_hand(self, a: int, b: int, flag: bool) -> None:
        machine, identifier = self.machine(a), self.app(b).identifier
        if identifier in machine.state.apps:
            machine.remove_app(identifier)

    def remove_profile_by_hand(self, a: int, b: int, flag: bool) -> None:
        machine, identifier = self.machine(a), self.profile(b).identifier
        for user in ("", *machine.users):
            if identifier in machine.state.profiles_of(user):
                machine.remove_profile_by_hand(identifier, user=user or None)

    def rename(self, a: int, b: int, flag: bool) -> None:
        self.desk.rename(self.machine(a), f"Device {b} <{a}>".replace("<", "(").replace(">", ")"))

    def enroll_again(self, a: int, b: int, flag: bool) -> None:
        self.desk.enroll_again(self.machine(a), wiped=flag)

    # What happens in between

    def connect(self, a: int, b: int, flag: bool) -> None:
        self.world.connect(self.machine(a), most=1 + b if flag else 1000)

    def lose_an_answer(self, a: int, b: int, flag: bool) -> None:
        self.world.server.loses_answers = 1
        self.world.connect(self.machine(a))
        self.world.server.loses_answers = 0

    def work(self, a: int, b: int, flag: bool) -> None:
        self.world.work()

    def go_on(self, a: int, b: int, flag: bool) -> None:
        """Workers and one device, several times."""
        for _ in range(1 + b % 3):
            self.world.work()
            self.world.connect(self.machine(a))

    def wait(self, a: int, b: int, flag: bool) -> None:
        self.world.wait(timedelta(minutes=(11, 45)[flag]))

    def ask_for_inventories(self, a: int, b: int, flag: bool) -> None:
        self.world.ask_for_inventories()
