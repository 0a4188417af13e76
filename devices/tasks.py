"""What workers do for devices."""

from celery import shared_task

from devices.services import installer_certificate
from devices.services.agent_files import tidy_packages
from devices.services.agent_package import build_packages
from devices.services.agent_rollout import roll_out
from devices.services.bulk_forgetting import forget_operations, forget_secrets
from devices.services.bulk_steps import work_on_operations
from devices.services.inventories import ask_due
from devices.services.script_agent import provide_agents
from devices.services.script_jobs import forget_old_jobs
from devices.services.script_output import apply_outputs
from devices.services.script_runs import cancel_runs_of_removed_devices, give_up_waiting, take_back_orders


@shared_task
def provide_script_agents() -> int:
    """Let Macs that have a script to run fetch it, and bring them the agent. Several may run at once: each locks its own Macs."""
    return provide_agents() + roll_out()


@shared_task
def build_agent_packages() -> int:
    """Build the agent's package for accounts that lack it. Of several that run at once one wins."""
    return build_packages()


@shared_task
def tidy_agent_packages() -> int:
    """Remove packages that others took the place of. Running twice does nothing more."""
    return tidy_packages()


@shared_task
def watch_installer_certificates() -> int:
    """Log a warning for each installer certificate that comes near its end."""
    return installer_certificate.warn_expiring()


@shared_task
def apply_script_outputs() -> int:
    """Put what scripts printed into custom attributes."""
    return apply_outputs()


@shared_task
def tend_script_jobs() -> int:
    """End runs that nobody answers or fetches any more, hand out anew what was not begun, drop jobs of more than a month ago."""
    return give_up_waiting() + take_back_orders() + cancel_runs_of_removed_devices() + forget_old_jobs()


@shared_task
def ask_for_inventories() -> int:
    """Ask devices whose inventory is old for it: what somebody took off them shows in it, and comes back."""
    return ask_due()


@shared_task
def carry_out_operations() -> int:
    """Do what many devices are to be done with, each once. Several may run at once: each claims its own devices."""
    return work_on_operations()


@shared_task
def forget_old_operations() -> int:
    """Take the secrets out of what was ordered long ago, and delete old operations. Running twice does nothing more."""
    return forget_secrets() + forget_operations()
