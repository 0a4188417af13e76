"""Prints what each role may do, as a table of Markdown."""

from django.contrib import admin
from django.core.management.base import BaseCommand

from mdm.admin_roles import as_markdown


class Command(BaseCommand):
    help = "Print what each role may do, as a table of Markdown, for reviews and documents."

    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write(as_markdown(admin.site))
