import json

from hypothesis import given, settings

from mdm.protocol.request_types import HIDDEN, clean, join_secrets, redacted, split_secrets
from tests.mdm.protocol.request_types.strategies import SOUND_REQUESTS

ROTATION = {"KeyType": "personal", "FileVaultUnlock": {"Password": "hunter2"}}


def test_a_secret_at_the_top_leaves_nothing_behind():
    assert split_secrets("DeviceLock", {"PIN": "123456", "Message": "x"}) == ({"Message": "x"}, {"/PIN": "123456"})


def test_a_nested_secret_leaves_its_dictionary():
    public, secret = split_secrets("RotateFileVaultKey", ROTATION)
    assert public == {"KeyType": "personal", "FileVaultUnlock": {}}
    assert secret == {"/FileVaultUnlock/Password": "hunter2"}
    assert join_secrets(public, secret) == ROTATION


def test_secrets_in_arrays_keep_their_places():
    parameters = {
        "Settings": [
            {"Item": "Bluetooth", "Enabled": True},
            {"Item": "ApplicationConfiguration", "Identifier": "a.b", "Configuration": {"token": "x"}},
        ]
    }
    public, secret = split_secrets("Settings", parameters)
    assert public["Settings"][1] == {"Item": "ApplicationConfiguration", "Identifier": "a.b"}
    assert secret == {"/Settings/1/Configuration": {"token": "x"}}
    assert join_secrets(public, secret) == parameters


def test_what_the_catalogue_does_not_know_is_taken_for_a_secret():
    parameters = {
        "Settings": [{"Item": "Unknown", "Key": "hunter2"}, "hunter2", {"Item": "Bluetooth", "a/b~c": "hunter2"}],
        "Extra": "hunter2",
    }
    public, secret = split_secrets("Settings", parameters)
    assert "hunter2" not in json.dumps(public)
    assert join_secrets(public, secret) == parameters
    assert split_secrets("DeviceLock", {"Message": {"a": "hunter2"}})[0] == {}


def test_a_value_in_the_public_part_is_never_changed():
    public, secret = split_secrets("RotateFileVaultKey", ROTATION)
    join_secrets(public, secret)
    assert public["FileVaultUnlock"] == {}
    assert ROTATION["FileVaultUnlock"] == {"Password": "hunter2"}


def test_people_see_dots():
    assert redacted("RotateFileVaultKey", ROTATION) == {"KeyType": "personal", "FileVaultUnlock": {"Password": HIDDEN}}
    assert redacted("DeviceLock", {"Message": "x"}) == {"Message": "x"}


@settings(max_examples=300, deadline=None)
@given(SOUND_REQUESTS)
def test_splitting_and_joining_is_exact_and_survives_json(sound):
    request_type, parameters = sound
    cleaned = clean(request_type, parameters)
    public, secret = split_secrets(request_type, cleaned)
    assert join_secrets(json.loads(json.dumps(public)), json.loads(json.dumps(secret, sort_keys=True))) == cleaned
    assert split_secrets(request_type, public) == (public, {})
    assert set(redacted(request_type, cleaned)) == set(cleaned)
