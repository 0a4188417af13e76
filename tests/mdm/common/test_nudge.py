from unittest.mock import patch

import pytest
from kombu.exceptions import OperationalError

from mdm.common import nudge
from mdm.push.tasks import send_due_pushes


def test_a_task_can_be_nudged_by_its_name() -> None:
    with patch.object(nudge, "nudge") as nudged:
        nudge.nudge_named("mdm.push.tasks.send_due_pushes")
    assert nudged.call_args.args[0].name == send_due_pushes.name


def test_a_name_that_is_no_task_is_a_fault_of_ours() -> None:
    with pytest.raises((AttributeError, ImportError)):
        nudge.nudge_named("mdm.push.tasks.no_such_task")


def test_a_broker_that_is_down_is_no_reason_to_fail() -> None:
    with patch.object(send_due_pushes, "apply_async", side_effect=OperationalError("down")) as sent:
        nudge.nudge(send_due_pushes)
    assert sent.call_count == 1
