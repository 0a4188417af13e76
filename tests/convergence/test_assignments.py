"""What is assigned gets there, what is assigned no more leaves; nobody gets a command that is not needed."""

from tests.convergence.base import ConvergenceTestCase
from tests.convergence.machines import Machine
from tests.convergence.model import ASSIGNMENT_GROUP, DEVICE_GROUP


class ProfilesTest(ConvergenceTestCase):
    def test_a_profile_of_a_device_group_comes_and_goes(self):
        profile = self.desk.add_profile()
        self.desk.assign_profile(profile, self.in_sales)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_sent(self.mac, InstallProfile=1)
        self.desk.assign_profile(profile, self.in_sales, off=True)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1)
        self.assert_sent(self.mac, RemoveProfile=1)
        self.assert_nothing_sent()

    def test_a_profile_of_an_assignment_group_comes_with_the_membership(self):
        group, profile = self.desk.add_group(), self.desk.add_profile()
        self.desk.assign_profile(profile, (ASSIGNMENT_GROUP, group))
        self.desk.join(group, self.itself(self.other))
        self.settle()
        self.assert_sent(self.other, InstallProfile=1)
        self.desk.join(group, self.in_sales)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_sent(self.mac, InstallProfile=1)
        self.desk.join(group, self.itself(self.other), leave=True)
        self.settle()
        self.assert_sent(self.other, RemoveProfile=1)
        self.assert_nothing_sent()

    def test_of_several_reasons_the_last_one_counts(self):
        group, profile = self.desk.add_group(), self.desk.add_profile()
        reasons = [self.itself(self.phone), self.in_sales, (ASSIGNMENT_GROUP, group)]
        self.desk.join(group, self.itself(self.phone))
        for reason in reasons:
            self.desk.assign_profile(profile, reason)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_sent(self.mac, InstallProfile=1)
        for reason in reasons[:2]:
            self.desk.assign_profile(profile, reason, off=True)
            self.settle()
        self.assert_sent(self.phone)
        self.assert_sent(self.mac, RemoveProfile=1)
        self.desk.assign_profile(profile, reasons[2], off=True)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1)

    def test_a_profile_for_users_goes_to_each_user_of_a_mac(self):
        profile = self.desk.add_profile("for {{user_short_name}}", user_scope=True)
        self.desk.assign_profile(profile, self.itself(self.mac))
        self.settle()
        self.assert_sent(self.mac, InstallProfile=2)
        plain = self.desk.add_profile(user_scope=True)
        self.desk.assign_profile(plain, self.itself(self.phone))
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.desk.assign_profile(profile, self.itself(self.mac), off=True)
        self.settle()
        self.assert_sent(self.mac, RemoveProfile=2)

    def test_a_profile_for_macs_does_not_go_to_an_iphone(self):
        profile = self.desk.add_profile(platform="macOS")
        self.desk.assign_profile(profile, self.in_sales)
        self.settle()
        self.assert_sent(self.mac, InstallProfile=1)
        self.assert_nothing_sent()

    def test_a_deleted_profile_leaves_and_one_in_its_place_replaces_it(self):
        gone, replaced = self.desk.add_profile(), self.desk.add_profile()
        for profile in (gone, replaced):
            self.desk.assign_profile(profile, self.itself(self.phone))
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2)
        self.desk.delete_profile(gone)
        self.desk.delete_profile(replaced)
        heir = self.desk.add_profile("new", identifier=replaced.identifier)
        self.desk.assign_profile(heir, self.itself(self.phone))
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1, InstallProfile=1)

    def test_what_is_taken_back_before_the_device_connects_is_never_sent(self):
        profile = self.desk.add_profile()
        self.desk.assign_profile(profile, self.in_sales)
        self.world.work()
        self.desk.assign_profile(profile, self.in_sales, off=True)
        self.settle()
        self.assert_nothing_sent()

    def test_what_is_signed_by_the_account_is_the_same_profile(self):
        self.account.signs_profiles = True
        self.account.save()
        profile = self.desk.add_profile("on {{device_name}}")
        self.desk.assign_profile(profile, self.in_sales)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_sent(self.mac, InstallProfile=1)
        for machine in (self.phone, self.mac):
            self.assertTrue(machine.state.profiles_of("")[profile.identifier]["signers"])


class AppsTest(ConvergenceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.set_of_apps = self.desk.add_group()
        self.desk.join(self.set_of_apps, self.in_sales)

    def test_each_app_comes_to_the_devices_that_it_is_for_and_goes_again(self):
        own, bought, for_mac = self.desk.add_app(), self.desk.add_store_app(), self.desk.add_store_app("macOS")
        for app in (own, bought, for_mac):
            self.desk.assign_app(app, self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, InstallApplication=2)
        self.assert_sent(self.mac, InstallApplication=1)
        for app in (own, for_mac):
            self.desk.assign_app(app, self.set_of_apps, off=True)
        self.settle()
        self.assert_sent(self.phone, RemoveApplication=1)
        self.assert_sent(self.mac, RemoveApplication=1)
        self.assert_nothing_sent()

    def test_a_device_in_a_group_by_itself_gets_its_apps(self):
        app = self.desk.add_app()
        self.desk.assign_app(app, self.set_of_apps)
        self.desk.join(self.set_of_apps, self.itself(self.other))
        self.settle()
        self.assert_sent(self.other, InstallApplication=1)
        self.desk.join(self.set_of_apps, self.itself(self.other), leave=True)
        self.settle()
        self.assert_sent(self.other, RemoveApplication=1)

    def test_packages_come_once_and_stay(self):
        with_app, without = self.desk.add_package("com.example.brought"), self.desk.add_package()
        for app in (with_app, without):
            self.desk.assign_app(app, self.set_of_apps)
        self.settle()
        self.assert_sent(self.mac, InstallEnterpriseApplication=2)
        self.assertEqual(self.mac.installed("com.example.brought"), "1.0")
        for app in (with_app, without):
            self.desk.assign_app(app, self.set_of_apps, off=True)
        self.settle()
        self.assert_nothing_sent()

    def test_a_package_without_an_app_in_it_is_sent_once_more_in_its_next_version(self):
        package = self.desk.add_package()
        self.desk.assign_app(package, self.set_of_apps)
        self.settle()
        self.assert_sent(self.mac, InstallEnterpriseApplication=1)
        self.desk.change_app(package, "2.0", deploy_to="all")
        self.settle()
        self.assert_sent(self.mac, InstallEnterpriseApplication=1)
        self.assert_nothing_sent()

    def test_a_deleted_app_leaves_and_one_in_its_place_stays(self):
        gone, replaced = self.desk.add_app(), self.desk.add_app()
        for app in (gone, replaced):
            self.desk.assign_app(app, self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, InstallApplication=2)
        self.desk.delete_app(gone)
        self.desk.delete_app(replaced)
        heir = self.desk.add_app(version="3.0", identifier=replaced.identifier)
        self.desk.assign_app(heir, self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, RemoveApplication=1, InstallApplication=1)
        self.assertEqual(self.phone.installed(heir.identifier), "3.0")

    def test_one_in_its_place_that_does_not_come_by_itself_keeps_the_app_as_ours(self):
        gone = self.desk.add_app()
        self.desk.assign_app(gone, self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)
        self.desk.change_group(self.set_of_apps, auto_deploy=False)
        self.desk.delete_app(gone)
        heir = self.desk.add_app(version="3.0", identifier=gone.identifier)
        self.desk.assign_app(heir, self.set_of_apps)
        self.settle()
        self.assert_nothing_sent()
        self.desk.assign_app(heir, self.set_of_apps, off=True)
        self.settle()
        self.assert_sent(self.phone, RemoveApplication=1)

    def test_a_group_that_is_deleted_takes_what_it_brought(self):
        profile, app = self.desk.add_profile(), self.desk.add_app()
        self.desk.assign_profile(profile, (ASSIGNMENT_GROUP, self.set_of_apps))
        self.desk.assign_app(app, self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1, InstallApplication=1)
        self.assert_sent(self.mac, InstallProfile=1)
        self.desk.delete_group(self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1, RemoveApplication=1)
        self.assert_sent(self.mac, RemoveProfile=1)

    def test_a_group_that_does_not_deploy_by_itself_brings_apps_when_they_are_pushed(self):
        app = self.desk.add_app()
        self.desk.change_group(self.set_of_apps, auto_deploy=False)
        self.desk.assign_app(app, self.set_of_apps)
        self.settle()
        self.assert_nothing_sent()
        self.desk.push_apps(self.set_of_apps)
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)
        self.assertEqual(self.phone.installed(app.identifier), "1.0")
        self.desk.push_apps(self.set_of_apps)
        self.settle()
        self.assert_nothing_sent()


class MovesTest(ConvergenceTestCase):
    """Sales has a profile and an app, office has another of each."""

    def setUp(self) -> None:
        super().setUp()
        for device_group in (self.sales, self.office):
            group = self.desk.add_group()
            self.desk.join(group, (DEVICE_GROUP, device_group))
            self.desk.assign_app(self.desk.add_app(), group)
            self.desk.assign_profile(self.desk.add_profile(), (DEVICE_GROUP, device_group))
        self.settle()
        self.world.forget_sent()

    def test_a_device_that_moves_changes_what_it_has(self):
        self.desk.move(self.phone, self.office)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1, RemoveApplication=1, InstallProfile=1, InstallApplication=1)
        self.assert_nothing_sent()

    def test_there_and_back_before_any_worker_looked_nothing_is_sent(self):
        self.desk.move(self.phone, self.office)
        self.desk.move(self.phone, self.sales)
        self.settle()
        self.assert_nothing_sent()

    def test_there_and_back_before_the_device_connects_nothing_is_sent(self):
        self.desk.move(self.phone, self.office)
        self.world.work()
        self.desk.move(self.phone, self.sales)
        self.settle()
        self.assert_nothing_sent()

    def test_back_while_the_device_is_on_its_way_it_gets_again_what_it_has_lost(self):
        self.desk.move(self.phone, self.office)
        self.world.work()
        self.world.connect(self.phone)
        self.desk.move(self.phone, self.sales)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=2, RemoveApplication=2, InstallProfile=2, InstallApplication=2)

    def test_the_devices_of_a_deleted_group_are_those_of_the_default_group(self):
        self.desk.delete_device_group(self.sales, self.group.pk)
        self.settle()
        self.assert_sent(self.phone, RemoveProfile=1, RemoveApplication=1)
        self.assert_sent(self.mac, RemoveProfile=1)
        self.assert_nothing_sent()

    def enrolled_anew(self, machine: Machine, *, wiped: bool) -> None:
        self.desk.enroll_again(machine, wiped=wiped)
        self.settle()

    def test_a_wiped_device_gets_everything_again(self):
        self.enrolled_anew(self.phone, wiped=True)
        self.assert_sent(self.phone, InstallProfile=1, InstallApplication=1)
        self.assert_nothing_sent()

    def test_a_device_that_left_and_came_back_gets_everything_again(self):
        self.enrolled_anew(self.phone, wiped=False)
        self.assert_sent(self.phone, InstallProfile=1, InstallApplication=1)
        self.enrolled_anew(self.mac, wiped=False)
        self.assert_sent(self.mac, InstallProfile=1)
        self.assert_nothing_sent()
