"""Whatever people order and devices do, in whatever order: in the end every device has what it should have.

hypothesis makes up lists of steps on an iPhone, another iPhone and a Mac with a user. Few lists are tried, always the same;
`CONVERGENCE_EXAMPLES=500 pytest tests/convergence/test_properties.py` tries so many others, differing from run to run.
"""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.base import AccountTestCase
from tests.convergence.checks import assert_converged, others_things
from tests.convergence.desk import Desk
from tests.convergence.model import ASSIGNMENT_GROUP, DEVICE_GROUP, Model
from tests.convergence.stage import Stage
from tests.convergence.world import KEYS, World

EXAMPLES = int(os.environ.get("CONVERGENCE_EXAMPLES", "0"))
FEW = 12
SHORTEST, LONGEST = 3, 30
Step = tuple[str, int, int, bool]
SOME_PROGRESS = ("", "", "work", "go_on")  # what happens after a step by itself


ACTIONS = tuple(name for name, value in vars(Stage).items() if "flag" in getattr(value, "__annotations__", ()))
STEP = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 7), st.integers(0, 7), st.booleans())
STEPS = st.lists(st.tuples(STEP, st.sampled_from(SOME_PROGRESS)), min_size=SHORTEST, max_size=LONGEST)


class ConvergesTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        world = World(Model())
        self.enterContext(world.running())
        self.enterContext(mock.patch("enrollment.services.ca.new_rsa_key", return_value=KEYS()))
        desk = Desk(self.account, self.api, world)
        self.stage = Stage(desk, [self.group.pk, desk.add_device_group()])
        desk.model.devices.clear()
        desk.enroll("ios", group=self.stage.device_groups[0])
        desk.enroll("macos", group=self.stage.device_groups[0], users=("anna",))
        desk.enroll("ios", group=self.stage.device_groups[1])
        desk.add_attribute("department", "None")
        self.stage.groups = [desk.add_group(), desk.add_group()]
        self.stage.profiles = [
            desk.add_profile(),
            desk.add_profile("{{department}} on {{device_name}}", user_scope=True),
            desk.add_profile("{{department}}"),
        ]
        self.stage.apps = [desk.add_app(), desk.add_store_app("macOS"), desk.add_package("com.example.brought")]
        for app in self.stage.apps[:2]:
            desk.assign_app(app, self.stage.groups[0])
        desk.join(self.stage.groups[0], (DEVICE_GROUP, self.stage.device_groups[0]))
        desk.assign_profile(self.stage.profiles[1], (ASSIGNMENT_GROUP, self.stage.groups[0]))
        world.settle()

    def test_every_device_ends_with_what_it_should_have(self) -> None:
        @settings(
            max_examples=EXAMPLES or FEW,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        )
        @given(STEPS)
        def check(steps: list[tuple[Step, str]]) -> None:
            self.play(steps)

        check()

    def play(self, steps: list[tuple[Step, str]]) -> None:
        with self.undone_afterwards() as stage:
            for (action, a, b, flag), progress in steps:
                getattr(stage, action)(a, b, flag)
                if progress:
                    getattr(stage, progress)(a, b, flag)
            self.assert_ends_well(stage)

    def assert_ends_well(self, stage: Stage) -> None:
        """Nobody is unwilling any more, a day passes in which everything is asked for, and what failed is tried again."""
        world = stage.world
        before = [others_things(machine) for machine in world.machines]
        for machine in world.machines:
            machine.behave()
        world.settle(retries=True)
        if stage.was_cancelled:
            world.compare_all()  # nothing else sends again what an operator has cancelled
        world.ask_for_inventories()
        world.settle(retries=True)
        assert_converged(self, stage.desk)
        # What a person has taken off may be removed once more, as nobody knows; nothing is installed that is there.
        needless = [one for one in world.idle_commands() if one[2].startswith("Install")]
        self.assertEqual(needless, [], "(device, user, request type) of what was there already")
        self.assertEqual([others_things(machine) for machine in world.machines], before)
        world.forget_sent()
        world.compare_all()
        world.ask_for_inventories()
        world.settle(retries=True)
        self.assertEqual(dict(world.sent()), {}, "all was as it should be, and yet something was sent")
        assert_converged(self, stage.desk)

    @contextmanager
    def undone_afterwards(self) -> Iterator[Stage]:
        """A copy of the stage for one list of steps; the database forgets them."""
        world = self.stage.world
        identities = [machine.identity for machine in world.machines]
        world.clock.offset = timedelta()
        shared = {
            id(one): one for one in (self.account, self.api, world.client, world.server, world.clock, *identities, KEYS)
        }
        with transaction.atomic():
            yield copy.deepcopy(self.stage, shared)
            transaction.set_rollback(True)
