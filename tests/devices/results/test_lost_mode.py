from mdm.commands.states import State
from mdm.events.models import Event
from tests.devices.results.base import ResultTestCase

FACT = "IsMDMLostModeEnabled"


class LostModeTest(ResultTestCase):
    def test_it_is_switched_on_and_off(self):
        self.phone.information = {"OSVersion": "17.5", FACT: False}
        self.phone.save()
        self.assert_read(self.tell(self.phone, "EnableLostMode", {}))
        self.assertEqual(self.phone.information, {"OSVersion": "17.5", FACT: True})
        self.assert_read(self.tell(self.phone, "DisableLostMode", {}))
        self.assertEqual(self.phone.information, {"OSVersion": "17.5", FACT: False})
        kinds = ("lost_mode.enabled", "lost_mode.disabled")
        for kind in kinds:
            event = Event.objects.get(event_type=kind)
            self.assertEqual((event.device, event.namespace), (self.phone, "device"))

    def test_the_inventory_of_the_same_batch_is_not_lost(self):
        self.tell(self.phone, "DeviceInformation", {"QueryResponses": {FACT: False, "BatteryLevel": 0.5}})
        self.tell(self.phone, "EnableLostMode", {})
        self.assertEqual(self.phone.information, {FACT: True, "BatteryLevel": 0.5})

    def test_a_refusal_changes_nothing(self):
        self.tell(self.phone, "EnableLostMode", {"ErrorChain": []}, state=State.FAILED)
        self.assertEqual(self.phone.information, {})
        self.assertFalse(Event.objects.filter(event_type="lost_mode.enabled").exists())
