"""The check-in messages that only a device sends, beside those it shares with its users' channels."""

from typing import Any, Literal

from mdm.virtual.channel import ManagementChannel, read_plist


class DeviceChannel(ManagementChannel):
    def authenticate(self) -> None:
        device = self.device
        keys: dict[str, Any] = {
            "Topic": device.topic,
            "OSVersion": device.state.os_version,
            "BuildVersion": device.state.build_version,
            "ProductName": device.facts.model.product_name,
        }
        if not device.is_user_enrollment:
            keys["SerialNumber"] = device.serial
            if device.facts.imei:
                keys["IMEI"] = device.facts.imei
        if device.platform == "macos":
            model = device.facts.model
            keys |= {"DeviceName": device.state.name, "Model": model.product_name, "ModelName": model.model_name}
        self.check_in("Authenticate", keys)

    def token_update(
        self,
        *,
        unlock_token: bytes | Literal["own"] | None = "own",  # noqa: S107
        awaiting_configuration: bool | None = None,
    ) -> None:
        """iPhones send their own unlock token with the first TokenUpdate; None leaves it out, Macs have none.

        awaiting_configuration: None as it is; a device that waits says so until it is told to go on.
        """
        device = self.device
        if awaiting_configuration is not None:
            device.state.awaiting_configuration = awaiting_configuration
        keys: dict[str, Any] = {"Token": device.state.push_token, "PushMagic": device.state.push_magic}
        if unlock_token is not None and device.platform == "ios" and not device.is_user_enrollment:
            keys["UnlockToken"] = device.state.unlock_token if isinstance(unlock_token, str) else unlock_token
        if device.platform == "macos":
            keys["NotOnConsole"] = False
        if device.state.awaiting_configuration:
            keys["AwaitingConfiguration"] = True
        self._token_update(keys)

    def rotate_push_token(self) -> None:
        """APNs gave the device another token: it says so, without its unlock token."""
        self.device.state.push_token = self.device.rng.randbytes(32)
        self.token_update(unlock_token=None)

    def check_out(self) -> None:
        """Say goodbye; the device is without management afterwards, whatever the server answers."""
        try:
            self.check_in("CheckOut", {"Topic": self.device.topic})
        finally:
            self.device.forget_management()

    def remove_management(self) -> None:
        """The profile is taken off: CheckOut if it asks for that, else silence."""
        if self.device.mdm_payload.get("CheckOutWhenRemoved"):
            self.check_out()
        else:
            self.device.forget_management()

    def set_bootstrap_token(self, token: bytes | None) -> None:
        """None takes the escrowed token back."""
        self.check_in("SetBootstrapToken", {} if token is None else {"BootstrapToken": token})
        self.device.state.bootstrap_token = token

    def get_bootstrap_token(self) -> bytes | None:
        """The token the server keeps; None when it keeps none."""
        body = self.check_in("GetBootstrapToken")
        return (read_plist(body).get("BootstrapToken") or None) if body else None
