"""Devices that are not now in the mood, refuse, take their time, or have a person who refuses."""

from datetime import timedelta

from devices.models import ItemState
from mdm.virtual.installing import InstallCourse
from tests.convergence.base import ConvergenceTestCase
from tests.convergence.machines import Machine
from tests.convergence.model import App, Profile

FIVE_MINUTES, AN_HOUR, A_DAY = timedelta(minutes=5, seconds=1), timedelta(hours=1), timedelta(days=1, seconds=1)


class UnwillingTestCase(ConvergenceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.set_of_apps = self.desk.add_group()
        self.desk.join(self.set_of_apps, self.in_sales)

    def assign_profile(self) -> Profile:
        profile = self.desk.add_profile()
        self.desk.assign_profile(profile, self.itself(self.phone))
        return profile

    def assign_app(self) -> App:
        app = self.desk.add_app()
        self.desk.assign_app(app, self.set_of_apps)
        return app

    def state_of(self, machine: Machine, item: Profile | App) -> tuple[str, str | None]:
        kind = "assigned_profile" if isinstance(item, Profile) else "assigned_app"
        (found,) = [one for one in self.desk.assigned(machine) if (one["type"], one["id"]) == (kind, item.pk)]
        return found["attributes"]["state"], found["attributes"]["note"]


class NotNowTest(UnwillingTestCase):
    def test_a_device_that_says_not_now_gets_it_when_it_can(self):
        profile, app = self.assign_profile(), self.assign_app()
        self.phone.behave(not_now_for={"InstallProfile", "InstallApplication"})
        for _ in range(3):
            self.world.work()
            self.world.connect(*self.world.machines)
            self.world.wait(AN_HOUR)
        self.assertEqual(self.state_of(self.phone, profile), (ItemState.PUSHED, None))
        self.assertEqual(self.state_of(self.phone, app), (ItemState.PUSHED, None))
        self.phone.behave()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1, InstallApplication=1)

    def test_what_was_put_off_and_is_wanted_no_more_is_taken_back(self):
        profile = self.assign_profile()
        self.phone.behave(not_now_for={"InstallProfile"})
        self.world.work()
        self.world.connect(self.phone)
        self.desk.assign_profile(profile, self.itself(self.phone), off=True)
        self.phone.behave()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)  # handed out once, and never carried out


class RefusalsTest(UnwillingTestCase):
    def refused(self, request_type: str) -> None:
        self.phone.behave(errors_for={request_type: None})
        self.world.settle()

    def test_a_refused_profile_is_tried_again_after_a_while(self):
        profile = self.assign_profile()
        self.refused("InstallProfile")
        state, note = self.state_of(self.phone, profile)
        self.assertEqual(state, ItemState.FAILED)
        self.assertTrue(note)
        self.phone.behave()
        self.world.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.world.wait(FIVE_MINUTES)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)

    def test_pauses_grow_until_it_gives_up(self):
        self.assign_profile()
        self.refused("InstallProfile")
        self.world.settle(retries=True)
        self.assert_sent(self.phone, InstallProfile=10)
        self.world.wait(A_DAY)
        self.phone.behave()
        self.world.settle()
        self.assert_nothing_sent()

    def test_retry_now_does_not_wait(self):
        profile, app = self.assign_profile(), self.assign_app()
        self.phone.behave(errors_for={"InstallProfile": None, "InstallApplication": None})
        self.world.settle()
        self.phone.behave()
        for item in (profile, app):
            self.desk.retry(self.phone, item)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2, InstallApplication=2)
        self.world.wait(AN_HOUR)
        self.settle()
        self.assert_nothing_sent()

    def test_stop_ends_the_attempts_until_a_new_version_comes(self):
        profile = self.assign_profile()
        self.refused("InstallProfile")
        self.desk.stop(self.phone, profile)
        self.phone.behave()
        self.world.wait(A_DAY)
        self.world.settle(retries=True)
        self.assert_sent(self.phone, InstallProfile=1)
        self.desk.change_profile(profile)
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)

    def test_stop_takes_back_what_was_not_fetched_and_retry_sends_it(self):
        app = self.assign_app()
        self.world.work()
        self.desk.stop(self.phone, app)
        self.world.settle(retries=True)
        self.assert_nothing_sent()
        self.desk.retry(self.phone, app)
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)

    def test_a_removal_that_is_refused_is_tried_again(self):
        profile = self.assign_profile()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=1)
        self.desk.assign_profile(profile, self.itself(self.phone), off=True)
        self.refused("RemoveProfile")
        self.assert_sent(self.phone, RemoveProfile=1)
        self.phone.behave()
        self.settle(retries=True)
        self.assert_sent(self.phone, RemoveProfile=1)

    def test_a_new_version_that_is_refused_and_then_unassigned_is_removed(self):
        profile = self.assign_profile()
        self.settle()
        self.desk.change_profile(profile)
        self.refused("InstallProfile")
        self.desk.assign_profile(profile, self.itself(self.phone), off=True)
        self.phone.behave()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2, RemoveProfile=1)

    def test_a_removal_of_what_was_refused_is_sent_again_when_it_gets_lost(self):
        profile = self.assign_profile()
        self.settle()
        self.desk.change_profile(profile)
        self.refused("InstallProfile")
        self.phone.behave()
        self.desk.assign_profile(profile, self.itself(self.phone), off=True)
        self.world.work()
        self.desk.cancel_commands("RemoveProfile")
        self.world.compare_all()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=2, RemoveProfile=1)

    def test_assigned_again_after_a_refused_version_the_newest_is_sent(self):
        profile = self.assign_profile()
        self.settle()
        self.desk.change_profile(profile)
        self.refused("InstallProfile")
        self.phone.behave()
        for off in (True, False):
            self.desk.assign_profile(profile, self.itself(self.phone), off=off)
            self.world.work()
        self.settle()
        self.assert_sent(self.phone, InstallProfile=3)


class SlowAppsTest(UnwillingTestCase):
    def test_an_app_that_takes_many_connects_is_sent_once(self):
        app = self.assign_app()
        self.phone.behave(installs={app.identifier: InstallCourse(steps=40)})
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1)

    def test_an_app_that_fails_on_its_way_is_sent_again_and_then_works(self):
        app = self.assign_app()
        self.phone.behave(installs={app.identifier: InstallCourse(steps=3, ends="Failed")})
        self.world.settle()
        self.assertEqual(self.state_of(self.phone, app), (ItemState.FAILED, "Failed"))
        self.phone.behave()
        self.settle(retries=True)
        self.assert_sent(self.phone, InstallApplication=2)

    def test_an_app_that_the_person_refuses_is_offered_again(self):
        app = self.assign_app()
        self.phone.behave(installs={app.identifier: InstallCourse(steps=2, ends="UserRejected")})
        self.world.settle()
        self.assertEqual(self.state_of(self.phone, app), (ItemState.FAILED, "UserRejected"))
        self.phone.behave()
        self.settle(retries=True)
        self.assert_sent(self.phone, InstallApplication=2)

    def test_an_app_that_the_device_refuses_at_once_says_why(self):
        for refused_as, words in (("Error", "could not be installed"), ("Failed", "Failed: AppStoreDisabled")):
            app = self.assign_app()
            course = InstallCourse(refusal="AppStoreDisabled", refused_as=refused_as)
            self.phone.behave(installs={app.identifier: course})
            self.world.settle()
            state, note = self.state_of(self.phone, app)
            self.assertEqual(state, ItemState.FAILED)
            self.assertIn(words, note)
        self.phone.behave()
        self.settle(retries=True)
        self.assert_sent(self.phone, InstallApplication=4)

    def test_an_update_that_fails_leaves_the_former_version_and_comes_later(self):
        app = self.assign_app()
        self.settle()
        self.phone.behave(installs={app.identifier: InstallCourse(steps=2, ends="Failed")})
        self.desk.change_app(app, "2.0", deploy_to="outdated")
        self.world.settle()
        self.assertEqual(self.phone.installed(app.identifier), "1.0")
        self.phone.behave()
        self.settle(retries=True)
        self.assertEqual(self.phone.installed(app.identifier), "2.0")
        self.assert_sent(self.phone, InstallApplication=3)

    def test_an_app_that_is_unassigned_while_it_comes_goes_again(self):
        app = self.assign_app()
        self.phone.behave(installs={app.identifier: InstallCourse(steps=30)})
        self.world.work()
        self.world.connect(self.phone)
        self.desk.assign_app(app, self.set_of_apps, off=True)
        self.settle()
        self.assert_sent(self.phone, InstallApplication=1, RemoveApplication=1)

    def test_an_app_that_never_shows_is_given_up_and_tried_again(self):
        app = self.desk.add_package("com.example.brought")
        self.desk.assign_app(app, self.set_of_apps)
        self.mac.packages[app.identifier] = ()
        self.world.work()
        self.world.connect(self.mac)
        self.world.work()
        for _ in range(2):
            self.world.connect(self.mac)
            self.world.work()
        self.world.wait(A_DAY)
        self.assertEqual(self.state_of(self.mac, app)[0], ItemState.FAILED)
        self.world.equip(self.mac)
        self.settle(retries=True)
        self.assert_sent(self.mac, InstallEnterpriseApplication=2)
