import hashlib
import io
from unittest import mock

import pytest

from apps_catalog.packages import BadPackage, digest_file


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20, 25])
def test_the_whole_and_its_pieces(length):
    data = bytes(range(length))
    with (
        mock.patch("apps_catalog.packages.hashing.CHUNK_BYTES", 10),
        mock.patch("apps_catalog.packages.hashing.READ_BYTES", 4),
    ):
        found = digest_file(io.BytesIO(data), max_bytes=25)
    assert (found.size, found.sha256, found.chunk_size) == (length, sha256(data), 10)
    assert found.chunk_hashes == [sha256(data[at : at + 10]) for at in range(0, length, 10)]


def test_pieces_are_of_ten_mebibytes():
    assert digest_file(io.BytesIO(b"x"), max_bytes=1).chunk_size == 10 * 1024 * 1024


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(BadPackage, match="larger than 3 bytes"):
        digest_file(io.BytesIO(b"1234"), max_bytes=3)
