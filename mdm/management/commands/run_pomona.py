"""What `make run` starts: database, first account, then web server, worker and schedule side by side until Ctrl-C."""

import os
import shlex
import signal
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from honcho.manager import Manager

from enrollment.services.accounts import open_account
from mdm.accounts.models import Account
from mdm.accounts.services import create_api_key
from mdm.common.tokens import new_token

FIRST_ACCOUNT = "My organization"
FIRST_OWNER = "owner@pomona.local"


class Command(BaseCommand):
    help = "Migrate, make the first account if there is none, and run web server, worker and schedule until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        require_free_port(settings.HOST, settings.PORT)
        call_command("migrate", interactive=False, verbosity=0)
        if not Account.objects.exists():
            self.make_first_account()
        self.stdout.write(f"\nPomona runs on {settings.BASE_URL} (Ctrl-C stops it).\n\n")
        self.stdout.flush()
        sys.exit(run(processes()))

    def make_first_account(self) -> None:
        """The only time that password and key are shown: neither is stored anywhere in the clear."""
        password = new_token(12)
        account, owner = open_account(FIRST_ACCOUNT, owner_email=FIRST_OWNER, password=password)
        _, key = create_api_key(account, name="First key", created_by=owner)
        self.stdout.write(
            "\nThe first account is ready. Note these down, they are shown only now:\n\n"
            f"  Admin     {settings.BASE_URL}/admin/\n"
            f"  E-mail    {owner.email}\n"
            f"  Password  {password}\n"
            f"  API key   {key}\n"
        )


def processes() -> dict[str, list[str]]:
    """Command lines by name. Embedded, one web process with threads; with a database server, one for each core."""
    python = sys.executable
    distributed = bool(settings.DATABASE_URL)
    cores = os.cpu_count() or 1
    web = [
        *(python, "-m", "granian", "--interface", "wsgi", "mdm.wsgi:application"),
        *("--host", settings.HOST, "--port", str(settings.PORT)),
        *("--workers", str(cores if distributed else 1), "--blocking-threads", "4"),
        *("--workers-kill-timeout", "10s", "--log-level", "warning"),
    ]
    worker = [
        *(python, "-m", "celery", "--quiet", "--app", "mdm", "worker", "--loglevel", "INFO"),
        *(("--pool", "prefork") if distributed else ("--pool", "threads")),
        *("--concurrency", str(max(cores, 2)), "--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    beat = [python, "-m", "celery", "--quiet", "--app", "mdm", "beat", "--loglevel", "INFO", "--pidfile="]
    return {"web": web, "worker": worker, "beat": beat}


def run(commands: dict[str, list[str]]) -> int:
    """Run them until one ends or a signal comes, then end all of them. 0 after Ctrl-C."""
    # A closed terminal must not leave children behind either.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    manager = Manager()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "mdm.settings"}
    for name, command in commands.items():
        manager.add_process(name, f"exec {shlex.join(command)}", env=environment, cwd=str(settings.ROOT))
    manager.loop()
    return 0 if manager.returncode in (0, 130, 143) else 1


def require_free_port(host: str, port: int) -> None:
    """Better a sentence now than three processes that stop one after the other."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"{host}:{port} cannot be used ({error.strerror}). Choose another: make run PORT=8001"
            ) from error
