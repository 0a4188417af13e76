"""Something changes: new versions, values, facts of devices. Only who is concerned gets something."""

from tests.convergence.base import ConvergenceTestCase
from tests.convergence.model import ASSIGNMENT_GROUP, App


class ProfileChangesTest(ConvergenceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.desk.add_attribute("department", "None")
        self.profile = self.desk.add_profile("{{department}} of {{device_name}}")
        for machine in self.world.machines:
            self.desk.assign_profile(self.profile, self.itself(machine))
        self.settle()
        self.world.forget_sent()

    def test_a_new_version_goes_to_all_who_have_the_former(self):
        self.desk.change_profile(self.profile, "{{department}} and {{serial_number}}")
        self.settle()
        for machine in self.world.machines:
            self.assert_sent(machine, InstallProfile=1)

    def test_a_version_that_nobody_has_fetched_yet_is_passed_over(self):
        for _ in range(3):
            self.desk.change_profile(self.profile)
            self.world.work()
        self.settle()
        for machine in self.world.machines:
            self.assert_sent(machine, InstallProfile=1)

    def test_a_value_of_one_device_concerns_that_device(self):
        self.desk.set_value("department", self.itself(self.phone), "Board")
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_nothing_sent()

    def test_a_value_of_a_group_concerns_those_who_have_none_of_their_own(self):
        self.desk.set_value("department", self.itself(self.phone), "Board")
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.desk.set_value("department", self.in_sales, "Sales")
        self.settle()
        self.assert_sent(self.mac, InstallProfile=1)
        self.desk.set_value("department", self.itself(self.phone), "")
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_nothing_sent()

    def test_a_value_that_comes_back_before_the_device_connects_sends_nothing_but_what_waits(self):
        self.desk.set_value("department", self.itself(self.phone), "Board")
        self.world.work()
        self.desk.set_value("department", self.itself(self.phone), "")
        self.settle()
        self.assertLessEqual(self.world.sent(self.phone)["InstallProfile"], 1)
        self.world.forget_sent()
        self.settle()
        self.assert_nothing_sent()

    def test_a_value_of_an_assignment_group_comes_with_the_membership(self):
        group = self.desk.add_group()
        self.desk.set_value("department", (ASSIGNMENT_GROUP, group), "Project")
        self.settle()
        self.assert_nothing_sent()
        self.desk.join(group, self.itself(self.other))
        self.settle()
        self.assert_sent(self.other, InstallProfile=1)
        self.assert_nothing_sent()

    def test_a_move_that_changes_nothing_but_a_value_sends_the_profile_again(self):
        self.desk.set_value("department", (self.in_sales[0], self.office), "Office")
        self.settle()
        self.assert_sent(self.other, InstallProfile=1)
        self.desk.move(self.phone, self.office)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_nothing_sent()

    def test_a_device_that_was_renamed_gets_its_profile_with_the_new_name(self):
        self.desk.rename(self.phone, "Front desk")
        self.world.ask_for_inventories()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.assert_nothing_sent()

    def test_a_profile_that_becomes_one_for_users_changes_sides(self):
        self.desk.set_user_scope(self.profile, True)
        self.settle()
        self.assert_sent(self.mac, RemoveProfile=1, InstallProfile=2)
        self.assert_nothing_sent()


class AppChangesTest(ConvergenceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.set_of_apps = self.desk.add_group()
        self.desk.join(self.set_of_apps, self.in_sales)
        self.app = self.assigned(self.desk.add_app())

    def assigned(self, app: App) -> App:
        self.desk.assign_app(app, self.set_of_apps)
        self.settle()
        self.world.forget_sent()
        return app

    def test_a_new_version_that_is_to_go_nowhere_goes_to_newcomers(self):
        self.desk.change_app(self.app, "2.0", deploy_to="none")
        self.settle()
        self.assert_nothing_sent()
        self.assertEqual(self.phone.installed(self.app.identifier), "1.0")
        self.desk.move(self.other, self.sales)
        self.settle()
        self.assert_sent(self.other, InstallApplication=1)
        self.assertEqual(self.other.installed(self.app.identifier), "2.0")

    def test_a_new_version_for_the_outdated_goes_to_those_who_have_the_former(self):
        self.desk.change_app(self.app, "2.0")
        self.desk.move(self.other, self.sales)
        self.settle()
        self.world.forget_sent()
        self.desk.deploy(self.app, "outdated")
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)
        self.assert_nothing_sent()
        self.assertEqual(self.phone.installed(self.app.identifier), "2.0")

    def test_a_new_version_for_all_goes_to_all(self):
        self.desk.change_app(self.app, "2.0", deploy_to="outdated")
        self.settle()
        self.world.forget_sent()
        self.desk.deploy(self.app, "all")
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)
        self.assert_nothing_sent()

    def test_an_app_for_a_newer_system_comes_when_the_device_has_it(self):
        old = self.desk.enroll("ios", group=self.sales, os_version="17.5")
        self.settle()
        self.assert_sent(old, InstallApplication=1)
        app = self.assigned(self.desk.add_app(minimum_os="18.0"))
        self.assertEqual(old.installed(app.identifier), "")
        self.assert_nothing_sent()
        self.desk.update_os(old, "18.5")
        self.world.ask_for_inventories()
        self.settle()
        self.assert_sent(old, InstallApplication=1)
        self.assertEqual(old.installed(app.identifier), "1.0")

    def test_a_configuration_is_pushed_to_those_who_have_the_app(self):
        self.desk.configure(self.app, "server", "https://{{serial_number}}.example.com")
        self.settle()
        self.assert_nothing_sent()
        self.desk.push_configuration(self.app)
        self.settle()
        self.assert_sent(self.phone, Settings=1)
        self.assert_nothing_sent()
        configured = self.phone.state.managed_apps[self.app.identifier]["Configuration"]
        self.assertEqual(configured, {"server": f"https://{self.phone.serial}.example.com"})

    def test_a_newcomer_gets_the_configuration_with_the_app(self):
        self.desk.configure(self.app, "team", "Sales")
        self.desk.push_configuration(self.app)
        self.settle()
        self.world.forget_sent()
        self.desk.move(self.other, self.sales)
        self.settle()
        self.assert_sent(self.other, InstallApplication=1)
        self.assertEqual(self.other.state.managed_apps[self.app.identifier]["Configuration"], {"team": "Sales"})
        self.assert_nothing_sent()
