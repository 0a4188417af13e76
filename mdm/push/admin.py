"""The push certificate: one page that says how it stands, what does not work without it, and how to get one."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.admin_base import OnePageAdmin, Page, actor_of
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action
from mdm.push.admin_forms import MailedFileForm, OrderForm, RequestForm, UploadForm, VendorForm
from mdm.push.certificates import (
    BadPushCertificate,
    OtherTopic,
    count_enrolled,
    has_enrolled,
    request_certificate,
    upload_certificate,
    waiting_request,
)
from mdm.push.csr import PushRequestError, VendorBundleError, pem_of_request
from mdm.push.mailed import MailedFileError
from mdm.push.models import PushCertificate, PushRequest, SigningAccess
from mdm.push.portal import signed_for_apple
from mdm.push.signing import (
    NoSigningKey,
    OrderError,
    cancel_order,
    forget_api_key,
    newest_order,
    order_signature,
    take_mailed_file,
)
from mdm.push.vendor import NoVendorCertificate, remove_vendor_certificate, store_vendor_certificate, vendor_of
from mdm.push.words import standing, vendor_standing

SIGNED_NAME = "push-request-for-apple.txt"


@admin.register(PushCertificate)
class PushCertificateAdmin(OnePageAdmin):
    list_display = ("topic",)
    pages = (
        Page("request/", "ask", Action.CONFIGURE, post_only=True),
        Page("request/download/", "download", Action.CONFIGURE),
        Page("upload/", "upload", Action.CONFIGURE, post_only=True),
        Page("vendor/", "vendor", Action.CONFIGURE, post_only=True),
        Page("vendor/remove/", "remove_vendor", Action.CONFIGURE, post_only=True),
        Page("signing/", "order", Action.CONFIGURE, post_only=True),
        Page("signing/cancel/", "cancel", Action.CONFIGURE, post_only=True),
        Page("signing/answer/", "answer", Action.CONFIGURE, post_only=True),
        Page("signing/forget-key/", "forget_key", Action.CONFIGURE, post_only=True),
    )

    @display(description=gettext_lazy("Topic"))
    def topic(self, certificate: PushCertificate) -> str:
        return certificate.topic

    def show(self, request: HttpRequest) -> HttpResponse:
        return self._page(request)

    # --- The request --------------------------------------------------------------------------------------------------
    def ask(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = RequestForm(request.POST, account=account)
        if form.is_valid():
            try:
                request_certificate(account, email=form.cleaned_data["email"], actor=actor_of(request))
            except PushRequestError as error:
                form.add_error("email", str(error))
            else:
                return self.done(request, _("The request is made. Have it signed now."), self.list_url)
        return self._page(request, request_form=form, status=422)

    def download(self, request: HttpRequest) -> HttpResponse:
        """The plain request; `?by=vendor` and `?by=service`: as they signed it."""
        account = request.get_account()
        by = request.GET.get("by", "")
        if by == "service":
            order = newest_order(account, is_answered=True)
            if order is None:
                raise Http404
            return _file(order.signed_request.encode(), SIGNED_NAME)
        waiting = waiting_request(account)
        if waiting is None:
            raise Http404
        if by != "vendor":
            return _file(pem_of_request(bytes(waiting.csr_der)), "push-request.csr")
        try:
            return _file(signed_for_apple(waiting), SIGNED_NAME)
        except (NoVendorCertificate, VendorBundleError, PushRequestError) as error:
            return self.refused(
                request, _("The vendor certificate cannot sign: %(error)s") % {"error": error}, self.list_url
            )

    # --- Who signs it -------------------------------------------------------------------------------------------------
    def vendor(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = VendorForm(request.POST, request.FILES, account=account)
        if form.is_valid():
            given = form.cleaned_data
            files = [file.read() for file in given["files"]]
            try:
                store_vendor_certificate(account, files, passphrase=given["passphrase"], actor=actor_of(request))
            except VendorBundleError as error:
                form.add_error("passphrase" if "passphrase" in str(error) else "files", str(error))
            else:
                return self.done(request, _("The vendor certificate signs the account's requests now."), self.list_url)
        return self._page(request, vendor_form=form, status=422)

    def remove_vendor(self, request: HttpRequest) -> HttpResponse:
        if remove_vendor_certificate(request.get_account(), actor=actor_of(request)):
            return self.done(request, _("The vendor certificate is removed, its key deleted."), self.list_url)
        return self.refused(request, _("There is no vendor certificate of this account."), self.list_url)

    def order(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = _order_form(account, request.POST)
        if form.is_valid():
            given = form.cleaned_data
            try:
                order_signature(
                    account, email=given["signing_email"], api_key=given["api_key"], actor=actor_of(request)
                )
            except NoSigningKey as error:
                form.add_error("api_key", str(error))
            except (OrderError, PushRequestError) as error:
                form.add_error(None, str(error))
            else:
                return self.done(request, _("The request goes to mdmcert.download in a moment."), self.list_url)
        return self._page(request, order_form=form, status=422)

    def cancel(self, request: HttpRequest) -> HttpResponse:
        if cancel_order(request.get_account(), actor=actor_of(request)):
            return self.done(request, _("The request is not sent any more."), self.list_url)
        return self.refused(request, _("Nothing waits to be sent: it is too late to cancel."), self.list_url)

    def answer(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = MailedFileForm(request.POST, request.FILES, account=account)
        if form.is_valid():
            try:
                take_mailed_file(account, form.cleaned_data["mailed"].read(), actor=actor_of(request))
            except MailedFileError as error:
                form.add_error("mailed", str(error))
            else:
                return self.done(request, _("The signed request is ready to be downloaded."), self.list_url)
        return self._page(request, answer_form=form, status=422)

    def forget_key(self, request: HttpRequest) -> HttpResponse:
        if forget_api_key(request.get_account(), actor=actor_of(request)):
            return self.done(request, _("The key is forgotten."), self.list_url)
        return self.refused(request, _("This account keeps no key."), self.list_url)

    # --- The certificate ----------------------------------------------------------------------------------------------
    def upload(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = UploadForm(request.POST, request.FILES, account=account, present_topic=_topic_to_give_up(account))
        if form.is_valid():
            given = form.cleaned_data
            try:
                upload_certificate(
                    account,
                    certificate_pem=given["certificate"].read(),
                    key_pem=given["key"].read() if given["key"] else None,
                    apple_id=given["apple_id"],
                    give_up_topic=given.get("give_up_topic", ""),
                    actor=actor_of(request),
                )
            except OtherTopic as error:
                form.add_error("give_up_topic" if given.get("give_up_topic") else "certificate", str(error))
            except BadPushCertificate as error:
                form.add_error("key" if "private key" in str(error) else "certificate", str(error))
            else:
                return self.done(request, _("The push certificate is in use. Devices can be woken now."), self.list_url)
        return self._page(request, upload_form=form, status=422)

    def _page(self, request: HttpRequest, *, status: int = 200, **forms: Any) -> HttpResponse:
        """forms: those that were sent and have errors; the others are made here."""
        account: Account = request.get_account()
        certificate = PushCertificate.objects.for_account(account).defer("key_pem").first()
        waiting = waiting_request(account)
        state, sentence = standing(certificate)
        vendor = vendor_of(account)
        vendor_state, vendor_sentence = vendor_standing(vendor)
        order, answered = newest_order(account), newest_order(account, is_answered=True)
        context = {
            "certificate": certificate,
            "enrolled": count_enrolled(account, certificate.topic) if certificate else 0,
            "state": state,
            "sentence": sentence,
            "waiting": waiting,
            "vendor_now": vendor,
            "vendor_state": vendor_state,
            "vendor_sentence": vendor_sentence,
            "vendor_signs": vendor_state in ("valid", "expiring"),
            "order_now": order,
            "answered": answered,
            "is_earlier": bool(answered and waiting and answered.request_id != waiting.pk),
            "keeps_key": SigningAccess.objects.for_account(account).exclude(api_key=None).exists(),
            **_forms(account, certificate, waiting, request.user.email),
            **forms,
        }
        return self.page(request, "admin/push/certificate.html", title=_("Push certificate"), status=status, **context)


def _forms(
    account: Account, certificate: PushCertificate | None, waiting: PushRequest | None, own_email: str
) -> dict[str, Any]:
    known = (waiting and waiting.email, certificate and certificate.request_email, certificate and certificate.apple_id)
    email = next((one for one in known if one), own_email)
    return {
        "request_form": RequestForm(initial={"email": email}, account=account),
        "vendor_form": VendorForm(account=account),
        "order_form": _order_form(account, None, email),
        "answer_form": MailedFileForm(account=account),
        "upload_form": UploadForm(
            initial={"apple_id": certificate.apple_id if certificate else ""},
            account=account,
            present_topic=_topic_to_give_up(account),
        ),
    }


def _order_form(account: Account, data: Any, email: str = "") -> OrderForm:
    access = SigningAccess.objects.for_account(account).first()
    if access and access.api_key:
        key_help = _("One is kept, encrypted. Fill this in only to replace it.")
    elif settings.MDMCERT_API_KEY:
        key_help = _(
            "Not needed: this server has one. Fill this in to use another for this account; it is kept encrypted."
        )
    else:
        key_help = _("Your own: the makers of the service give one to whoever asks. It is kept, encrypted.")
    initial = {"signing_email": access.email if access and access.email else email}
    return OrderForm(data, initial=initial, account=account, key_help=key_help)


def _topic_to_give_up(account: Account) -> str:
    """That of the present certificate while no device is enrolled with it."""
    certificate = PushCertificate.objects.for_account(account).defer("key_pem").first()
    return certificate.topic if certificate and not has_enrolled(account, certificate.topic) else ""


def _file(body: bytes, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(body, content_type="application/octet-stream", headers=headers)
