"""The file-system broker: what many processes write and read at once arrives whole and once."""

import multiprocessing
import socket
import threading
import time
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Queue

from mdm.common import file_broker

QUEUE = Queue("celery", routing_key="celery")
MESSAGES = 150


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "messages").mkdir()
    return tmp_path


def connect(folder: Path) -> Connection:
    file_broker.register()
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }
    return Connection("files://localhost/", transport_options=options)


def produce(folder: Path, name: int) -> None:
    with connect(folder) as connection:
        producer = connection.Producer()
        for number in range(MESSAGES):
            producer.publish({"from": name, "number": number, "text": "x" * 500}, routing_key="celery", declare=[QUEUE])


def test_many_writers_and_readers_lose_and_break_nothing(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=produce, args=(folder, name)) for name in range(3)]
    got: list[tuple[int, int]] = []

    def consume() -> None:
        with connect(folder) as connection:
            queue = connection.SimpleQueue(QUEUE)
            while len(got) < 3 * MESSAGES and time.monotonic() < deadline:
                try:
                    message = queue.get(block=False)
                except Empty:
                    continue
                got.append((message.payload["from"], message.payload["number"]))
                message.ack()

    deadline = time.monotonic() + 60
    readers = [threading.Thread(target=consume) for _ in range(2)]
    for one in [*writers, *readers]:
        one.start()
    for one in [*writers, *readers]:
        one.join(70)
    assert sorted(got) == [(name, number) for name in range(3) for number in range(MESSAGES)]
    assert list((folder / "messages").iterdir()) == []


def test_the_oldest_message_comes_first(folder: Path) -> None:
    produce(folder, 7)
    with connect(folder) as connection:
        queue = connection.SimpleQueue(QUEUE)
        assert [queue.get(block=False).payload["number"] for _ in range(MESSAGES)] == list(range(MESSAGES))


def test_a_damaged_message_is_dropped_and_the_next_one_read(folder: Path) -> None:
    (folder / "messages" / "0000_broken.celery.msg").write_text("")
    with connect(folder) as connection:
        connection.Producer().publish({"number": 1}, routing_key="celery", declare=[QUEUE])
        assert connection.SimpleQueue(QUEUE).get(block=False).payload == {"number": 1}


def test_a_worker_that_is_to_stop_is_not_kept_waiting_for_messages(folder: Path) -> None:
    with connect(folder) as connection, connection.Consumer(QUEUE):
        begin = time.monotonic()
        with pytest.raises(socket.timeout):
            connection.drain_events(timeout=20)
    assert time.monotonic() - begin < 5
