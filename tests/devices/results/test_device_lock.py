from mdm.commands.states import State
from mdm.events.models import Event
from tests.devices.results.base import ResultTestCase


class DeviceLockTest(ResultTestCase):
    def event(self) -> Event:
        return Event.objects.get(event_type="device.lock.enabled")

    def test_the_log_says_that_it_is_locked(self):
        self.assert_read(self.tell(self.mac, "DeviceLock", {}))
        event = self.event()
        self.assertEqual((event.device, event.namespace), (self.mac, "device"))
        self.assertEqual(event.metadata, {"device_group_id": self.group.pk})

    def test_and_what_became_of_the_message(self):
        self.tell(self.phone, "DeviceLock", {"MessageResult": "NoPasscodeSet"})
        self.assertEqual(self.event().metadata["message_result"], "NoPasscodeSet")

    def test_hostile_values_are_bounded_or_dropped(self):
        self.tell(self.phone, "DeviceLock", {"MessageResult": "x" * 5000})
        self.assertEqual(len(self.event().metadata["message_result"]), 40)
        Event.objects.all().delete()
        self.assert_read(self.tell(self.mac, "DeviceLock", {"MessageResult": {"a": b"b"}}))
        self.assertNotIn("message_result", self.event().metadata)

    def test_a_refusal_is_no_lock(self):
        self.tell(self.phone, "DeviceLock", {"ErrorChain": []}, state=State.FAILED)
        self.assertFalse(Event.objects.filter(event_type="device.lock.enabled").exists())
