"""People change their devices, answers and commands get lost: it is found, and only what is ours is repaired."""

from datetime import timedelta
from unittest import mock

from devices.models import ItemState
from mdm.endpoints.results import RESULTS
from tests.convergence.base import ConvergenceTestCase
from tests.convergence.checks import others_things
from tests.convergence.model import ASSIGNMENT_GROUP
from tests.factories import make_mobileconfig


class DriftTestCase(ConvergenceTestCase):
    """Sales has a profile for devices, one for users, and an app for iPhones."""

    def setUp(self) -> None:
        super().setUp()
        self.profile, self.of_users = self.desk.add_profile(), self.desk.add_profile(user_scope=True)
        for profile in (self.profile, self.of_users):
            self.desk.assign_profile(profile, self.in_sales)
        self.app, self.set_of_apps = self.desk.add_app(), self.desk.add_group()
        self.desk.assign_app(self.app, self.set_of_apps)
        self.desk.join(self.set_of_apps, self.in_sales)


class ByHandTest(DriftTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.settle()
        self.world.forget_sent()

    def test_a_deleted_app_comes_back_when_the_schedule_asks(self):
        self.phone.remove_app(self.app.identifier)
        self.settle_unseen()
        self.world.ask_for_inventories()
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)
        self.assert_nothing_sent()

    def test_a_removed_profile_comes_back_when_the_schedule_asks(self):
        self.phone.remove_profile_by_hand(self.profile.identifier)
        self.mac.remove_profile_by_hand(self.of_users.identifier, user="anna")
        self.settle_unseen()
        self.world.ask_for_inventories()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_sent(self.mac, InstallProfile=1)
        self.assert_nothing_sent()

    def settle_unseen(self) -> None:
        """Nobody has told the server, and it leaves the device alone."""
        self.world.settle()
        self.assert_nothing_sent()

    def test_an_inventory_without_news_sends_nothing(self):
        for _ in range(3):
            self.world.ask_for_inventories()
            self.settle()
        self.assert_nothing_sent()

    def test_what_people_put_there_stays(self):
        self.phone.install_app_by_hand("org.person.game")
        self.phone.install_profile_by_hand(make_mobileconfig("org.person.vpn"))
        self.mac.install_profile_by_hand(make_mobileconfig("org.person.mail"), user="anna")
        before = [others_things(machine) for machine in self.world.machines]
        self.world.ask_for_inventories()
        self.settle()
        self.desk.move(self.phone, self.office)
        self.desk.move(self.mac, self.office)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=2, RemoveApplication=1)
        self.assert_sent(self.mac, RemoveProfile=3)
        self.assertEqual([others_things(machine) for machine in self.world.machines], before)

    def test_an_app_that_a_person_had_before_is_not_installed_again_and_stays_afterwards(self):
        wanted = self.desk.add_app()
        self.phone.install_app_by_hand(wanted.identifier)
        self.model.theirs.add((self.phone.pk, wanted.identifier))
        self.world.ask_for_inventories()
        self.settle()
        self.desk.assign_app(wanted, self.set_of_apps)
        self.settle()
        self.assert_nothing_sent()
        self.desk.assign_app(wanted, self.set_of_apps, off=True)
        self.settle()
        self.assert_nothing_sent()
        self.assertEqual(self.phone.installed(wanted.identifier), "1.0")

    def test_an_app_that_a_person_had_before_and_deletes_comes_from_us(self):
        wanted = self.desk.add_app()
        self.phone.install_app_by_hand(wanted.identifier)
        self.world.ask_for_inventories()
        self.world.settle()
        self.desk.assign_app(wanted, self.set_of_apps)
        self.world.settle()
        self.assert_nothing_sent()
        self.phone.remove_app(wanted.identifier)
        self.world.ask_for_inventories()
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)

    def test_a_removal_of_what_the_person_has_removed_does_no_harm(self):
        self.phone.remove_profile_by_hand(self.profile.identifier)
        self.phone.remove_app(self.app.identifier)
        self.desk.move(self.phone, self.office)
        self.settle(retries=True)
        self.world.ask_for_inventories()
        self.settle()
        self.assertLessEqual(self.world.sent(self.phone)["RemoveProfile"], 3)
        self.assertEqual(self.world.sent(self.phone)["RemoveApplication"], 1)


class LostTest(DriftTestCase):
    def test_a_lost_answer_has_the_command_carried_out_twice_and_does_no_harm(self):
        self.world.work()
        self.world.server.loses_answers = 1
        self.world.connect(self.phone)
        self.assertIn(self.profile.identifier, self.phone.state.profiles_of(""))
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2, InstallApplication=1)

    def test_a_lost_answer_of_a_removal_is_no_failure(self):
        self.settle()
        self.world.forget_sent()
        self.desk.move(self.phone, self.office)
        self.world.work()
        for _ in range(3):  # each command's answer is lost once
            self.world.server.loses_answers = 1
            self.world.connect(self.phone)
        self.settle(retries=True)
        self.assertLessEqual(self.world.sent(self.phone)["RemoveProfile"], 4)
        self.assertEqual(self.world.sent(self.phone)["RemoveApplication"], 1)

    def test_commands_that_an_operator_cancels_come_back_with_the_next_comparison(self):
        self.world.work()
        self.desk.cancel_commands()
        self.world.settle()
        self.assert_nothing_sent()
        self.world.compare_all()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2, InstallApplication=1)
        self.assert_sent(self.mac, InstallProfile=3)

    def test_a_removal_that_an_operator_cancels_comes_back_with_the_next_comparison(self):
        self.settle()
        self.world.forget_sent()
        self.desk.move(self.phone, self.office)
        self.world.work()
        self.desk.cancel_commands()
        self.world.compare_all()
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=2, RemoveApplication=1)

    def test_an_answer_that_cannot_be_read_is_made_up_for_by_the_next_inventory(self):
        unreadable = mock.Mock(side_effect=ValueError("unreadable"))
        with mock.patch.dict(RESULTS, {"InstallProfile": (unreadable,), "InstallApplication": (unreadable,)}):
            self.world.settle(retries=True)
        self.assertGreater(unreadable.call_count, 6)
        self.assert_sent(self.phone, InstallProfile=2, InstallApplication=1)
        self.assert_sent(self.mac, InstallProfile=3)
        self.world.ask_for_inventories()
        self.settle()
        self.assert_nothing_sent()

    def test_a_removal_whose_answer_cannot_be_read_ends_with_the_next_inventory(self):
        self.settle()
        unreadable = mock.Mock(side_effect=ValueError("unreadable"))
        self.desk.move(self.phone, self.office)
        with mock.patch.dict(RESULTS, {"RemoveProfile": (unreadable,), "RemoveApplication": (unreadable,)}):
            self.world.settle(retries=True)
        states = {one["attributes"]["state"] for one in self.desk.assigned(self.phone)}
        self.assertEqual(states, {ItemState.REMOVING})
        self.world.forget_sent()
        self.world.ask_for_inventories()
        self.settle()
        self.assert_nothing_sent()


class TwoPeopleTest(DriftTestCase):
    """What one orders crosses what the other orders; the last word counts."""

    def test_assigned_by_one_and_taken_back_by_the_other_between_the_workers(self):
        for off in (True, False, True, False):
            self.desk.assign_profile(self.profile, self.in_sales, off=off)
            self.desk.assign_app(self.app, self.set_of_apps, off=off)
            self.world.work()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2, InstallApplication=1)
        self.assert_sent(self.mac, InstallProfile=3)

    def test_taken_back_while_the_device_fetches_it(self):
        self.world.work()
        self.world.connect(self.phone, most=1)
        self.desk.assign_profile(self.profile, self.in_sales, off=True)
        self.desk.assign_profile(self.profile, (ASSIGNMENT_GROUP, self.set_of_apps))
        self.desk.assign_profile(self.of_users, self.in_sales, off=True)
        self.world.work()
        self.world.connect(self.phone, most=1)
        self.desk.assign_app(self.app, self.set_of_apps, off=True)
        self.settle()
        self.assertEqual(self.world.sent(self.mac)["InstallProfile"], 1)

    def test_what_two_delete_and_change_at_once(self):
        self.settle()
        self.world.forget_sent()
        self.desk.change_profile(self.profile)
        self.desk.change_app(self.app, "2.0", deploy_to="all")
        self.desk.delete_profile(self.profile)
        self.desk.delete_app(self.app)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1, RemoveApplication=1)
        self.assert_sent(self.mac, RemoveProfile=1)

    def test_a_day_without_workers_makes_no_difference(self):
        self.desk.assign_profile(self.profile, self.in_sales, off=True)
        self.world.wait(timedelta(days=1))
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1, InstallApplication=1)
