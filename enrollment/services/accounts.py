"""Opening an account with all that its first device needs."""

from django.db import transaction

from devices.services.groups import default_group
from enrollment.services.ca import authority_of
from enrollment.services.links import link_for_group
from mdm.accounts import services
from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account, User
from mdm.events.services import emit


def open_account(
    name: str, *, owner_email: str, password: str | None = None, actor: Actor = SYSTEM, **fields: object
) -> tuple[Account, User]:
    """A new account with its owner, default device group, certificate authority and a reusable link for that group.

    fields are further columns of Account. A person who exists already keeps their password.
    """
    with transaction.atomic():
        account, owner = services.create_account(name, owner_email=owner_email, password=password, **fields)
        emit("account.created", account_id=account.pk, actor=actor, name=account.name, owner=owner.email)
        link_for_group(default_group(account), name="First link", actor=actor, created_by=owner)
    authority_of(account)  # makes a key: outside the transaction, so that nobody waits for it
    return account, owner
