from collections.abc import Iterator

import pytest

from tests.flows.server import Running, running_pomona


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A freshly started Pomona, shared by the tests of a module."""
    with running_pomona(tmp_path_factory.mktemp("pomona")) as running:
        yield running
