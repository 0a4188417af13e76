from mdm.protocol import plist
from mdm.protocol.manifest import install_manifest

FACTS = {
    "url": "https://mdm.example.com/apps/files/t/a.pkg",
    "bundle_identifier": "com.example.tool",
    "title": "Tool",
    "version": "1.2",
    "chunk_size": 10,
    "chunk_hashes": ["aa", "bb"],
}


def test_it_has_the_keys_that_devices_want():
    assert install_manifest(**FACTS) == {
        "items": [
            {
                "assets": [
                    {
                        "kind": "software-package",
                        "url": "https://mdm.example.com/apps/files/t/a.pkg",
                        "sha256-size": 10,
                        "sha256s": ["aa", "bb"],
                    }
                ],
                "metadata": {
                    "kind": "software",
                    "bundle-identifier": "com.example.tool",
                    "bundle-version": "1.2",
                    "title": "Tool",
                },
            }
        ]
    }
    assert plist.loads(plist.dumps(install_manifest(**FACTS))) == install_manifest(**FACTS)


def test_what_is_not_known_is_left_out():
    (item,) = install_manifest(**FACTS | {"version": "", "chunk_hashes": []})["items"]
    assert set(item["assets"][0]) == {"kind", "url"}
    assert "bundle-version" not in item["metadata"]


def test_titles_that_devices_refuse_give_way_to_the_identifier():
    for title in ("", "X"):
        (item,) = install_manifest(**FACTS | {"title": title})["items"]
        assert item["metadata"]["title"] == "com.example.tool"
