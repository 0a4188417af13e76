"""What a form that orders something is known by: made when it is shown, sent with it, and good for one order only.

A double click sends the form twice, and so does a browser that goes back: the second time leads to what was started by the first.
"""

from uuid import UUID, uuid4

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from devices.models import BulkOperation, ScriptJob
from devices.services.errors import NotPossible
from mdm.accounts.admin_once import sent_token

ORDER = "order"


def hidden_token(request: HttpRequest) -> tuple[str, str]:
    """Name and value of the field. A form that is shown again keeps its own: nothing was started with it."""
    return ORDER, str(sent_token(request, ORDER) or uuid4())


def demanded_token(request: HttpRequest) -> UUID:
    """What the form was sent with. Raises NotPossible where there is none: then it might be sent twice, and count twice."""
    token = sent_token(request, ORDER)
    if token is None:
        raise NotPossible(
            _("This page was out of date, and nothing was done. Please look once more, and confirm again.")
        )
    return token


def started_before(request: HttpRequest) -> str:
    """Where the account's operation or job is that was started with this very form; empty if there is none."""
    token, account = sent_token(request, ORDER), request.get_account()
    if token is None or account is None:
        return ""
    for model in (BulkOperation, ScriptJob):
        pk = model.objects.for_account(account).filter(order_token=token).values_list("pk", flat=True).first()
        if pk is not None:
            return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
    return ""


def told_before() -> str:
    return _("This was started already. It is not done a second time.")
