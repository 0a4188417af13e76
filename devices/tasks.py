"""What workers do for devices."""

from celery import shared_task

from devices.services.inventories import ask_due
from devices.services.script_agent import provide_agents
from devices.services.script_jobs import forget_old_jobs
from devices.services.script_output import apply_outputs
from devices.services.script_runs import cancel_runs_of_removed_devices, give_up_waiting


@shared_task
def provide_script_agents() -> int:
    """Let Macs that have a script to run fetch it. Several may run at once: each locks its own Macs."""
    return provide_agents()


@shared_task
def apply_script_outputs() -> int:
    """Put what scripts printed into custom attributes."""
    return apply_outputs()


@shared_task
def tend_script_jobs() -> int:
    """End runs that nobody answers or fetches any more, and drop jobs of more than a month ago."""
    return give_up_waiting() + cancel_runs_of_removed_devices() + forget_old_jobs()


@shared_task
def ask_for_inventories() -> int:
    """Ask devices whose inventory is old for it: what somebody took off them shows in it, and comes back."""
    return ask_due()
