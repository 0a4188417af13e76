"""What devices entrusted to us."""

from devices.models import Device, DeviceSecrets


def make_secrets(device: Device, **secrets: str) -> DeviceSecrets:
    return DeviceSecrets.objects.create(account=device.account, device=device, **secrets)
