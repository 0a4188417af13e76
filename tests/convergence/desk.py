"""The people at the REST API: what they order is sent there, and written down in the model."""

import uuid
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from devices.models import Device
from enrollment.services.links import link_for_device
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.commands.models import Command
from mdm.commands.services import cancel
from mdm.commands.states import State
from tests.base import ApiClient
from tests.convergence.machines import Machine
from tests.convergence.model import ASSIGNMENT_GROUP, DEVICE, DEVICE_GROUP, App, Owner, Place, Profile
from tests.convergence.world import World
from tests.factories import make_mobileconfig, make_payload
from tests.factories.numbers import number
from tests.factories.packages import GZIP, RAW, build_ipa, build_xar, distribution_script
from tests.factories.wanted import make_store_app

OWNERS = {DEVICE: "devices", DEVICE_GROUP: "device_groups"}
VALUES = {**OWNERS, ASSIGNMENT_GROUP: "assignment_groups"}
PLATFORMS = {"ios": "iOS", "macos": "macOS"}
# Payload types that only one platform takes, for profiles that are not for every device.
ONLY = {"": "com.apple.wifi.managed", "iOS": "com.apple.apn.managed", "macOS": "com.apple.dock"}


class Desk:
    def __init__(self, account: Account, api: ApiClient, world: World) -> None:
        self.account, self.api, self.world, self.model = account, api, world, world.model

    # Devices and groups

    def enroll(self, platform: str, *, group: int, users: tuple[str, ...] = (), os_version: str = "") -> Machine:
        """A new device with a one-time link, in that device group; it enrolls and tells what it is."""
        machine = self.world.machine(platform, os_version=os_version, users=users)
        data = {"name": machine.state.name, "group_id": group}
        created = self._ok(self.api.post("/api/v1/devices", json=data))["data"]
        machine.pk = created["id"]
        place = Place(machine.pk, PLATFORMS[platform], group, machine.state.os_version, users)
        self.model.devices[machine.pk] = place
        self._learn(machine)
        self.world.enroll(machine, created["attributes"]["enrollment_url"])
        self.world.settle()
        return machine

    def enroll_again(self, machine: Machine, *, wiped: bool) -> None:
        """By a new one-time link; wiped: as a new device out of the box, with another name."""
        if wiped:
            machine.erase()
        elif machine.is_enrolled:
            machine.remove_management()
        self._learn(machine)
        link = link_for_device(Device.objects.get(pk=machine.pk), SYSTEM)
        self.world.enroll(machine, link.url)

    def rename(self, machine: Machine, name: str) -> None:
        """A person does, at the device; profiles change when the server has heard of it."""
        machine.state.name = name
        self._learn(machine)

    def update_os(self, machine: Machine, version: str) -> None:
        machine.state.os_version = version
        self._learn(machine)

    def _learn(self, machine: Machine) -> None:
        place = self.model.devices[machine.pk]
        place.os_version = machine.state.os_version
        place.facts = {
            "device_name": machine.state.name,
            "serial_number": machine.serial,
            "os_version": place.os_version,
        }
        self.model.theirs = {one for one in self.model.theirs if one[0] != machine.pk or one[1] in machine.state.apps}

    def add_device_group(self) -> int:
        return self._ok(self.api.post("/api/v1/device_groups", json={"name": f"Group {number()}"}))["data"]["id"]

    def move(self, machine: Machine, group: int) -> None:
        self._ok(self.api.post(f"/api/v1/device_groups/{group}/devices/{machine.pk}"))
        self.model.devices[machine.pk].group = group

    def delete_device_group(self, group: int, default: int) -> None:
        self._ok(self.api.delete(f"/api/v1/device_groups/{group}"))
        for place in self.model.devices.values():
            place.group = default if place.group == group else place.group
        self._forget((DEVICE_GROUP, group))

    def add_group(self, **settings: Any) -> int:
        """An assignment group."""
        data = {"name": f"Assignment {number()}", "auto_deploy": True} | settings
        pk = self._ok(self.api.post("/api/v1/assignment_groups", json=data))["data"]["id"]
        self.model.automatic[pk] = data["auto_deploy"]
        return pk

    def change_group(self, group: int, *, auto_deploy: bool) -> None:
        self._ok(self.api.patch(f"/api/v1/assignment_groups/{group}", json={"auto_deploy": auto_deploy}))
        self.model.automatic[group] = auto_deploy

    def delete_group(self, group: int) -> None:
        self._ok(self.api.delete(f"/api/v1/assignment_groups/{group}"))
        self.model.in_groups = {one for one in self.model.in_groups if one[0] != group}
        self.model.apps_of_groups = {one for one in self.model.apps_of_groups if one[0] != group}
        self._forget((ASSIGNMENT_GROUP, group))

    def _forget(self, owner: Owner) -> None:
        model = self.model
        model.owners_of_profiles = {one for one in model.owners_of_profiles if one[1] != owner}
        model.in_groups = {one for one in model.in_groups if one[1] != owner}
        model.values = {key: value for key, value in model.values.items() if key[1] != owner}

    def join(self, group: int, owner: Owner, *, leave: bool = False) -> None:
        """A device or device group becomes a member of an assignment group, or leaves it."""
        path = f"/api/v1/assignment_groups/{group}/{OWNERS[owner[0]]}/{owner[1]}"
        self._switch(path, self.model.in_groups, (group, owner), off=leave)

    # Profiles

    def add_profile(
        self, text: str = "plain", *, user_scope: bool = False, platform: str = "", identifier: str = ""
    ) -> Profile:
        """text: what its payload holds; where there are variables in it, they are filled in. platform: the only one."""
        n = number()
        identifier = identifier or f"com.example.wanted{n}"
        profile = Profile(0, f"Profile {n}", identifier, user_scope, "{{" in text, platform)
        data = {
            "name": profile.name,
            "mobileconfig": self._file(profile, text),
            "user_scope": user_scope,
            "attribute_support": profile.fills_in,
        }
        created = self.api.post("/api/v1/custom_configuration_profiles", data)
        profile.pk = self._ok(created)["data"]["id"]
        self.model.profiles[profile.pk] = profile
        self.model.all_profile_identifiers.add(identifier)
        return profile

    def change_profile(self, profile: Profile, text: str | None = None) -> None:
        """A new file under the same identifier."""
        profile.version += 1
        upload = self._file(profile, profile.texts[profile.version - 1] if text is None else text)
        self._ok(self._patch(f"/api/v1/custom_configuration_profiles/{profile.pk}", {"mobileconfig": upload}))

    def set_user_scope(self, profile: Profile, user_scope: bool) -> None:
        profile.user_scope = user_scope
        self._ok(self._patch(f"/api/v1/custom_configuration_profiles/{profile.pk}", {"user_scope": user_scope}))

    def delete_profile(self, profile: Profile) -> None:
        self._ok(self.api.delete(f"/api/v1/custom_configuration_profiles/{profile.pk}"))
        del self.model.profiles[profile.pk]
        mine = {one for one in self.model.owners_of_profiles if one[0] == profile.pk}
        self.model.owners_of_profiles -= mine

    def assign_profile(self, profile: Profile, owner: Owner, *, off: bool = False) -> None:
        kind, pk = owner
        path = f"/api/v1/profiles/{profile.pk}/{OWNERS.get(kind)}/{pk}"
        if kind == ASSIGNMENT_GROUP:
            path = f"/api/v1/assignment_groups/{pk}/profiles/{profile.pk}"
        self._switch(path, self.model.owners_of_profiles, (profile.pk, owner), off=off)

    def _file(self, profile: Profile, text: str) -> SimpleUploadedFile:
        profile.uuids[profile.version] = str(uuid.uuid4()).upper()
        profile.texts[profile.version] = text
        payload = make_payload(ONLY[profile.platform], SSID_STR=text)
        content = make_mobileconfig(profile.identifier, payload, PayloadUUID=profile.uuids[profile.version])
        return SimpleUploadedFile("profile.mobileconfig", content)

    # Attributes

    def add_attribute(self, name: str, default: str = "") -> None:
        self._ok(self.api.post("/api/v1/custom_attributes", json={"name": name, "default_value": default}))
        self.model.defaults[name] = default

    def set_value(self, name: str, owner: Owner, value: str) -> None:
        """An empty value takes back the one that was set there."""
        path = f"/api/v1/{VALUES[owner[0]]}/{owner[1]}/custom_attribute_values/{name}"
        self._ok(self.api.put(path, json={"value": value}))
        self.model.values.pop((name, owner), None)
        if value:
            self.model.values[name, owner] = value

    # Apps

    def add_app(self, *, version: str = "1.0", minimum_os: str = "15.0", identifier: str = "") -> App:
        """An app of the organization's own for iPhones; perhaps in the place of one that was deleted."""
        former = self.model.all_apps.get(identifier)
        versions = [*(former.versions if former else ()), version]
        app = App(0, "", identifier or f"com.example.own{number()}", "iOS", versions, minimum_os=minimum_os)
        return self._upload(app, self._ipa(app))

    def add_package(self, *brings: str, version: str = "1.0", identifier: str = "") -> App:
        """A package for Macs with these apps in it, given by their bundle identifiers."""
        name = identifier or f"com.example.package{number()}"
        app = App(0, "", name, "macOS", [version], brings=brings)
        return self._upload(app, self._pkg(app))

    def add_store_app(self, platform: str = "iOS", *, version: str = "2.0") -> App:
        """An app of the App Store whose details are known already."""
        row = make_store_app(self.account, platform_support=platform, version=version)
        return self._added(
            App(row.pk, row.name, row.bundle_identifier, platform, [version], store_id=row.itunes_store_id)
        )

    def _upload(self, app: App, upload: SimpleUploadedFile) -> App:
        created = self._ok(self.api.post("/api/v1/apps", {"binary": upload}))["data"]
        app.pk, app.name = created["id"], created["attributes"]["name"]
        return self._added(app)

    def _added(self, app: App) -> App:
        self.model.apps[app.pk] = self.model.all_apps[app.identifier] = app
        for machine in self.world.machines:
            self.world.equip(machine)
        return app

    def change_app(self, app: App, version: str, *, deploy_to: str = "none", minimum_os: str = "") -> None:
        app.versions.append(version)
        app.minimum_os = minimum_os or app.minimum_os
        upload = self._ipa(app) if app.brings is None else self._pkg(app)
        for machine in self.world.machines:
            self.world.equip(machine)
        self._ok(self._patch(f"/api/v1/apps/{app.pk}", {"binary": upload}))
        if deploy_to != "none":
            self.deploy(app, deploy_to)

    def deploy(self, app: App, deploy_to: str) -> None:
        self._ok(self._patch(f"/api/v1/apps/{app.pk}", {"deploy_to": deploy_to}))
        app.floors = {pk: len(app.versions) - 1 for pk in self.model.devices if self.model.is_for(app, pk)}

    def delete_app(self, app: App) -> None:
        self._ok(self.api.delete(f"/api/v1/apps/{app.pk}"))
        del self.model.apps[app.pk]
        self.model.apps_of_groups = {one for one in self.model.apps_of_groups if one[1] != app.pk}

    def assign_app(self, app: App, group: int, *, off: bool = False) -> None:
        path = f"/api/v1/assignment_groups/{group}/apps/{app.pk}"
        self._switch(path, self.model.apps_of_groups, (group, app.pk), off=off)

    def push_apps(self, group: int) -> None:
        self._ok(self.api.post(f"/api/v1/assignment_groups/{group}/push_apps"))

    def configure(self, app: App, key: str, value: str) -> None:
        data = {"key": key, "value": value, "value_type": "string"}
        self._ok(self.api.post(f"/api/v1/apps/{app.pk}/managed_configs", json=data))

    def push_configuration(self, app: App) -> None:
        self._ok(self.api.post(f"/api/v1/apps/{app.pk}/managed_configs/push"))

    def _ipa(self, app: App) -> SimpleUploadedFile:
        version = app.versions[-1]
        info = {"MinimumOSVersion": app.minimum_os}
        content = build_ipa(app.identifier, version, version, f"App {app.identifier}", info=info)
        return SimpleUploadedFile("app.ipa", content)

    def _pkg(self, app: App) -> SimpleUploadedFile:
        version = app.versions[-1]
        bundles = "".join(f'<bundle path="./A{n}.app" id="{one}"/>' for n, one in enumerate(app.brings or ()))
        head = f'<pkg-info identifier="{app.identifier}" version="{version}" install-location="/Applications">'
        script = distribution_script(app.identifier, version, f"Package {app.identifier}")
        component = [("PackageInfo", f"{head}{bundles}</pkg-info>".encode(), GZIP), ("Payload", b"payload", RAW)]
        content = build_xar([("Distribution", script.encode(), GZIP), ("component.pkg", component, "")])
        return SimpleUploadedFile("package.pkg", content)

    # One device's items

    def retry(self, machine: Machine, item: Profile | App) -> None:
        self._ok(self.api.post(f"{self._item(machine, item)}/retry"))

    def stop(self, machine: Machine, item: Profile | App) -> None:
        self._ok(self.api.post(f"{self._item(machine, item)}/stop"))

    def assigned(self, machine: Machine) -> list[dict[str, Any]]:
        return self._ok(self.api.get(f"/api/v1/devices/{machine.pk}/assigned"))["data"]

    def cancel_commands(self, *request_types: str) -> None:
        """Of these types, or all, that no device has fetched."""
        waiting = Command.objects.filter(account=self.account, state=State.QUEUED).select_related("channel__device")
        for command in waiting.filter(request_type__in=request_types) if request_types else waiting:
            cancel(command)

    def _item(self, machine: Machine, item: Profile | App) -> str:
        kind = "profiles" if isinstance(item, Profile) else "apps"
        return f"/api/v1/devices/{machine.pk}/assigned/{kind}/{item.pk}"

    # Requests

    def _switch(self, path: str, known: set[Any], one: Any, *, off: bool) -> None:
        self._ok(self.api.delete(path) if off else self.api.post(path))
        (known.discard if off else known.add)(one)

    def _patch(self, path: str, data: dict[str, Any]) -> HttpResponse:
        return self.api.patch(path, encode_multipart(BOUNDARY, data), content_type=MULTIPART_CONTENT)

    def _ok(self, response: HttpResponse) -> Any:
        assert 200 <= response.status_code < 300, (response.status_code, response.content)
        return response.json() if response.content else None
