"""What the tests of the admin start from: one person of every role, and one of everything in two accounts."""

import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from apps_catalog.models import App, ContentToken
from devices.models import (
    AssignmentGroup,
    BulkOperation,
    CustomAttribute,
    Device,
    DeviceGroup,
    InstallerCertificate,
    Profile,
    Script,
    ScriptJob,
)
from enrollment.models import (
    CertificateAuthority,
    DepDevice,
    DepServer,
    Enrollment,
    IdentityCertificate,
    TrustedAuthority,
)
from enrollment.services.ca import authority_of, issue
from enrollment.services.trust import trust_authority
from mdm.accounts.actors import SYSTEM
from mdm.accounts.admin_base import AccountAdmin
from mdm.accounts.models import Account, ApiKey, Membership, PersonInvitation, Role, User
from mdm.commands.models import Command
from mdm.common import certs
from mdm.events.models import Event, Webhook, WebhookDelivery
from mdm.push.models import PushCertificate, PushRequest
from mdm.sign_in.sessions import NOTED
from tests.base import AccountTestCase
from tests.factories import (
    make_agent_package,
    make_api_key,
    make_app,
    make_assignment_group,
    make_attribute,
    make_command,
    make_content_token,
    make_delivery,
    make_dep_device,
    make_dep_server,
    make_dep_settings,
    make_device,
    make_enrollment,
    make_event,
    make_installer_certificate,
    make_operation,
    make_person_invitation,
    make_profile,
    make_profile_assignment,
    make_script,
    make_script_job,
    make_user,
    make_webhook,
)

ANSWER = b'<plist version="1.0"><dict><key>Status</key><string>Acknowledged</string></dict></plist>'


@dataclass
class Rows:
    """One row of every model that has pages, all of one account."""

    rows: dict[type[models.Model], models.Model]

    def __getitem__(self, model: type[models.Model]) -> Any:
        return self.rows[model]


def registered() -> list[tuple[type[models.Model], AccountAdmin]]:
    return sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label)


def signed_in(user: User) -> Client:
    """Their session was noted as used just now, so that no page of a test has that to do besides."""
    client = Client()
    client.force_login(user)
    session = client.session
    session[NOTED] = int(time.time())
    session.save()
    return client


def make_rows(account: Account) -> Rows:
    """One of everything, each in a state in which its pages have something to show or do."""
    device = make_device(account, name="Reception iPad")
    command = make_command(device, "DeviceInformation", state="acknowledged", apply_state="applied", result=ANSWER)
    key = certs.new_rsa_key()
    ca = certs.create_ca("External CA", organization="Elsewhere", key=key)
    push_certificate = PushCertificate.objects.create(
        account=account,
        topic=f"com.apple.mgmt.External.{account.pk}",
        certificate_pem="pem",
        key_pem="key",
        not_before=certs.not_before(ca),
        not_after=certs.not_after(ca),
    )
    PushRequest.objects.create(account=account, key_pem="key", csr_der=b"csr")
    listed = make_dep_device(make_dep_server(account))
    make_dep_settings(listed.server)
    script = make_script(account)
    certificate = make_installer_certificate(account)
    make_agent_package(account, certificate)
    delivery = make_delivery(make_webhook(account), state="delivered", due_at=None)
    found: list[models.Model] = [
        account,
        device,
        device.group,
        command,
        make_enrollment(account),
        make_event(account, device=device),
        make_api_key(account)[0],
        make_user(account, role=Role.READ_ONLY).memberships.get(),
        make_person_invitation(account),
        push_certificate,
        authority_of(account),
        issue(account, key.public_key(), device=device),
        trust_authority(account, ca.public_bytes(certs.Encoding.PEM), "", SYSTEM),
        make_assignment_group(account, members=[device]),
        make_operation(account),
        make_app(account),
        make_content_token(account),
        listed.server,
        listed,
        make_profile_assignment(make_profile(account), device).profile,
        delivery.webhook,
        delivery,
        script,
        make_script_job(script=script, devices=[make_device(account, platform="macOS")]),
        certificate,
        make_attribute(account, "room", default="none"),
    ]
    return Rows({type(row): row for row in found})


class AdminTestCase(AccountTestCase):
    """people: a client for each role of the account. outside: the owner of another one. nobody: not signed in."""

    MODELS = (
        Account,
        ApiKey,
        CertificateAuthority,
        Command,
        DepDevice,
        DepServer,
        Device,
        DeviceGroup,
        Enrollment,
        Event,
        IdentityCertificate,
        Membership,
        PersonInvitation,
        PushCertificate,
        TrustedAuthority,
        AssignmentGroup,
        BulkOperation,
        App,
        ContentToken,
        Profile,
        Webhook,
        WebhookDelivery,
        Script,
        ScriptJob,
        InstallerCertificate,
        CustomAttribute,
    )

    @classmethod
    def setUpTestData(cls) -> None:
        super().setUpTestData()
        cls.users = {role: make_user(cls.account, role=role, email=f"{role}@acme.example") for role in Role}
        cls.signed_in_cookies = {user.pk: signed_in(user).cookies for user in (*cls.users.values(), cls.outsider)}

    def setUp(self) -> None:
        super().setUp()
        self.people = {role: self._browser_of(user) for role, user in self.users.items()}
        self.outside = self._browser_of(self.outsider)
        self.nobody = Client()

    def _browser_of(self, user: User) -> Client:
        """Signed in as the class began: signing in costs more than many a page."""
        client = Client()
        client.cookies = deepcopy(self.signed_in_cookies[user.pk])
        return client

    def url(self, model: type[models.Model], view: str, *arguments: object) -> str:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=arguments)

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.for_account(self.account).filter(event_type=event_type).order_by("id"))
