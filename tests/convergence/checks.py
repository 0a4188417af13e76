"""Converged: what each device has, what the model says, what the rows say and what the API tells are the same."""

from collections.abc import Iterable
from unittest import TestCase

from apps_catalog.models import AppInstall
from devices.models import ItemState, ProfileInstall
from mdm.channels.models import Channel
from tests.convergence.desk import Desk
from tests.convergence.machines import Machine
from tests.convergence.model import App, Model
from tests.convergence.world import World

INSTALLED, PENDING, NOT_APPLICABLE = ItemState.INSTALLED.value, ItemState.PENDING.value, ItemState.NOT_APPLICABLE.value
OURS = "com.example."  # what the tests put into the catalogue; everything else is somebody else's


def assert_converged(test: TestCase, desk: Desk) -> None:
    """Of every device that is enrolled."""
    for machine in desk.world.machines:
        if machine.is_enrolled:
            _assert_profiles(test, desk.world, machine)
            _assert_apps(test, desk.model, machine)
            _assert_rows(test, desk.model, machine)
            _assert_api(test, desk, machine)


def others_things(machine: Machine) -> dict[str, object]:
    """What stands on a device by somebody else's hand: profiles by their side, and apps in their versions."""
    managed_by = machine.require_enrollment().identifier
    apps = {one: row["Version"] for one, row in machine.state.apps.items() if not one.startswith(OURS)}
    profiles = {
        (scope, one): row["content"]["PayloadUUID"]
        for scope, rows in machine.state.profiles.items()
        for one, row in rows.items()
        if not one.startswith(OURS) and one != managed_by
    }
    return {"apps": apps, "profiles": profiles}


def _assert_profiles(test: TestCase, world: World, machine: Machine) -> None:
    model = world.model
    for user in ("", *machine.users):
        there = {
            identifier: (row["content"]["PayloadUUID"], _texts(row["content"]["PayloadContent"]), row["managed"])
            for identifier, row in machine.state.profiles_of(user).items()
            if identifier in model.all_profile_identifiers
        }
        wanted = {
            one.identifier: (one.uuids[one.version], {model.text_of(one, machine.pk, user)}, True)
            for one in model.profiles_on(machine.pk, user)
        }
        test.assertEqual(there, wanted, f"profiles of {machine} {user}")


def _texts(payloads: Iterable[dict[str, object]]) -> set[object]:
    return {payload["SSID_STR"] for payload in payloads}


def _assert_apps(test: TestCase, model: Model, machine: Machine) -> None:
    test.assertEqual(machine.state.installs, {}, f"still under way on {machine}")
    for app in model.all_apps.values():
        if app.brings is not None:
            _assert_package(test, model, machine, app)
            continue
        where = f"{app.identifier} on {machine}"
        is_listed = app.pk in model.apps and model.is_for(app, machine.pk)
        is_there = bool(machine.installed(app.identifier))
        is_managed = machine.state.managed_apps.get(app.identifier, {}).get("Status") == "Managed"
        if (machine.pk, app.identifier) in model.theirs:
            test.assertTrue(is_there, where)
        elif not (is_listed and model.is_allowed(app, machine.pk)):
            test.assertEqual((is_there, is_managed), (False, False), where)
        elif model.is_wanted(app, machine.pk):
            test.assertEqual((is_there, is_managed), (True, True), where)
        else:
            test.assertEqual(is_there, is_managed, where)
        if is_managed:
            place = app.versions.index(machine.installed(app.identifier))
            test.assertGreaterEqual(place, app.floors.get(machine.pk, 0), f"version of {where}")


def _assert_package(test: TestCase, model: Model, machine: Machine, app: App) -> None:
    """What a package brought stays, whatever becomes of its assignment."""
    if app.pk in model.apps and model.is_for(app, machine.pk) and model.is_wanted(app, machine.pk):
        missing = [one for one in app.brings or () if not machine.installed(one)]
        test.assertEqual(missing, [], f"brought by {app.identifier} on {machine}")


def _assert_rows(test: TestCase, model: Model, machine: Machine) -> None:
    names = dict(Channel.objects.filter(device=machine.pk).values_list("user_key", "user_short_name"))
    rows = ProfileInstall.objects.filter(device=machine.pk)
    found = {
        (row.profile_id, names[row.user_key] if row.user_key else "", row.state, row.installed_version, row.error)
        for row in rows.exclude(state=ItemState.NOT_APPLICABLE)
    }
    wanted = {
        (one.pk, user, INSTALLED, one.version, "")
        for user in ("", *machine.users)
        for one in model.profiles_on(machine.pk, user)
    }
    test.assertEqual(found, wanted, f"rows of profiles of {machine}")
    apps = AppInstall.objects.filter(device=machine.pk).exclude(state=ItemState.NOT_APPLICABLE)
    states = {pk: (state, error) for pk, state, error in apps.values_list("app", "state", "error")}
    test.assertEqual(set(states.values()) - {(INSTALLED, "")}, set(), f"rows of apps of {machine}")
    must = {pk for pk, app in model.apps.items() if model.is_for(app, machine.pk) and model.is_wanted(app, machine.pk)}
    may = {pk for pk, app in model.apps.items() if model.is_for(app, machine.pk) and model.is_allowed(app, machine.pk)}
    test.assertEqual((must - states.keys(), states.keys() - may), (set(), set()), f"rows of apps of {machine}")


def _assert_api(test: TestCase, desk: Desk, machine: Machine) -> None:
    """Each item with its state and all its reasons."""
    model, pk = desk.model, machine.pk
    found = {(one["type"], one["id"], one["attributes"]["user"] or ""): one for one in desk.assigned(machine)}
    wanted: dict[tuple[str, int, str], set[str]] = {}
    for profile in model.profiles_of(pk):
        is_for = profile.platform in ("", model.devices[pk].platform)
        users = tuple(machine.users) if profile.user_scope and model.devices[pk].platform == "macOS" else ()
        for user in users or ("",):
            is_waiting = profile.user_scope and model.devices[pk].platform == "macOS" and not users
            state = PENDING if is_waiting else INSTALLED if is_for else NOT_APPLICABLE
            wanted["assigned_profile", profile.pk, user] = {state}
    for app in model.apps.values():
        if model.is_allowed(app, pk):
            automatic = {INSTALLED} if model.is_wanted(app, pk) else {INSTALLED, PENDING}
            wanted["assigned_app", app.pk, ""] = automatic if model.is_for(app, pk) else {NOT_APPLICABLE, INSTALLED}
    test.assertEqual(found.keys(), wanted.keys(), f"items of {machine}")
    for key, states in wanted.items():
        test.assertIn(found[key]["attributes"]["state"], states, f"{key} of {machine}")
    owners = model.owners_of(pk)
    for key, one in found.items():
        sources = {(source["type"], source["id"]) for source in one["relationships"]["sources"]["data"]}
        if key[0] == "assigned_profile":
            mine = {owner for profile, owner in model.owners_of_profiles if profile == key[1] and owner in owners}
        else:
            mine = {("assignment_group", group) for group, app in model.apps_of_groups if app == key[1]} & owners
        test.assertEqual(sources, mine, f"reasons of {key} of {machine}")
