import plistlib

from devices.models import DeviceSecrets
from devices.services import device_secrets, passwords
from devices.services.errors import NotPossible
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.services import cancel
from mdm.commands.states import State
from mdm.protocol.password_hash import password_hash
from tests.base import AccountTestCase
from tests.data.device_facts import MAC_INFORMATION
from tests.factories import make_device
from tests.factories.secrets import make_secrets


class NewPasswordTest(AccountTestCase):
    def test_no_two_are_alike_and_no_two_characters_look_alike(self):
        made = {passwords.new_password() for _ in range(200)}
        self.assertEqual(len(made), 200)
        self.assertEqual(set("".join(made)) & set("0O1lI"), set())
        self.assertTrue(all(len(one) == 16 and one.isascii() and one.isalnum() for one in made))


class PasswordHashTest(AccountTestCase):
    def test_it_is_a_binary_property_list_with_a_salt_of_its_own(self):
        first, second = (plistlib.loads(password_hash("secret"), fmt=plistlib.FMT_BINARY) for _ in range(2))
        self.assertEqual(list(first), ["SALTED-SHA512-PBKDF2"])
        inner = first["SALTED-SHA512-PBKDF2"]
        self.assertEqual(
            {key: type(value) for key, value in inner.items()}, {"entropy": bytes, "salt": bytes, "iterations": int}
        )
        self.assertEqual((len(inner["entropy"]), len(inner["salt"])), (128, 32))
        self.assertNotEqual(inner["salt"], second["SALTED-SHA512-PBKDF2"]["salt"])


class OneChangeTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS", information=MAC_INFORMATION)

    def pending(self) -> tuple[str, str]:
        row = DeviceSecrets.objects.get(device=self.mac)
        return row.pending_recovery_lock_password, row.pending_recovery_lock_command

    def rotate(self) -> Command:
        return passwords.rotate_recovery_lock_password(self.mac, actor=SYSTEM)

    def test_the_second_is_refused_and_leaves_the_first_as_it_is(self):
        self.rotate()
        before = self.pending()
        for again in (passwords.rotate_recovery_lock_password, passwords.clear_recovery_lock_password):
            with self.assertRaisesMessage(NotPossible, "recovery lock password is under way already"):
                again(self.mac, actor=SYSTEM)
        self.assertEqual((self.pending(), Command.objects.count()), (before, 1))

    def test_one_of_each_kind_may_wait(self):
        make_secrets(self.mac, filevault_recovery_key="ABCD-EFGH")
        self.rotate()
        passwords.rotate_admin_password(self.mac, actor=SYSTEM)
        passwords.rotate_filevault_key(self.mac, actor=SYSTEM)
        self.assertEqual(Command.objects.count(), 3)

    def test_a_cancelled_one_makes_room_for_the_next(self):
        cancel(self.rotate())
        command = self.rotate()
        self.assertEqual(self.pending()[1], command.command_uuid)

    def test_another_macs_does_not_matter(self):
        passwords.rotate_recovery_lock_password(make_device(self.account, platform="macOS"), actor=SYSTEM)
        command = self.rotate()
        self.assertEqual(self.pending()[1], command.command_uuid)
        self.assertEqual(Command.objects.count(), 2)

    def test_a_late_answer_to_an_earlier_command_does_not_touch_the_pending_one(self):
        first = self.rotate()
        first_password = self.pending()[0]
        Command.objects.filter(pk=first.pk).update(state=State.EXPIRED)
        second = self.rotate()
        waiting = self.pending()
        device_secrets.drop(self.mac, "recovery_lock", first)
        self.assertEqual(self.pending(), waiting)
        device_secrets.confirm(self.mac, "recovery_lock", first, new=first_password)
        self.assertEqual(self.pending(), waiting)
        self.assertEqual(DeviceSecrets.objects.get().recovery_lock_password, first_password)
        device_secrets.confirm(self.mac, "recovery_lock", second)
        self.assertEqual(DeviceSecrets.objects.get().recovery_lock_password, waiting[0])

    def test_nothing_is_stored_where_nothing_could_be_queued(self):
        self.mac.channels.update(state="closed")
        with self.assertRaisesMessage(Exception, "not enrolled"):
            self.rotate()
        self.assertFalse(DeviceSecrets.objects.exists())
