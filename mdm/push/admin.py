"""The push certificate: one page that says how it stands, what does not work without it, and how to get one."""

from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import display

from mdm.accounts.admin_base import AccountAdmin, Page, actor_of
from mdm.accounts.admin_forms import PageForm
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action
from mdm.push.certificates import BadPushCertificate, request_certificate, upload_certificate
from mdm.push.csr import PushRequestError, VendorBundleError, load_vendor_bundle, signed_push_request
from mdm.push.models import PushCertificate, PushRequest
from mdm.push.words import standing

MAX_FILE_BYTES = 64 * 1024


class RequestForm(PageForm):
    email = forms.EmailField(
        label="E-mail in the request",
        help_text="A shared mailbox is best: it stands in the certificate and is not checked.",
    )


class UploadForm(PageForm):
    certificate = forms.FileField(
        label="Certificate from Apple", help_text="The .pem file that you downloaded from the portal."
    )
    key = forms.FileField(
        label="Private key",
        required=False,
        help_text="Only if the request was made somewhere else: the key in PEM form, without a passphrase.",
    )
    apple_id = forms.EmailField(
        label="Apple Account",
        required=False,
        help_text="The one you signed in to the portal with. Next year you must renew with the same one.",
    )

    def clean(self) -> dict[str, Any]:
        for name in ("certificate", "key"):
            file: UploadedFile | None = self.cleaned_data.get(name)
            if file and file.size > MAX_FILE_BYTES:
                self.add_error(name, "This file is far too large to be a certificate or key.")
        return self.cleaned_data


@admin.register(PushCertificate)
class PushCertificateAdmin(AccountAdmin):
    list_display = ("topic",)
    pages = (
        Page("request/", "ask", Action.CONFIGURE, post_only=True),
        Page("request/download/", "download", Action.CONFIGURE),
        Page("upload/", "upload", Action.CONFIGURE, post_only=True),
    )

    @display(description="Topic")
    def topic(self, certificate: PushCertificate) -> str:
        return certificate.topic

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        return self._page(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        self.get_object(request, object_id)
        self.demand(request, Action.VIEW)
        return redirect(self.url("changelist"))

    def ask(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = RequestForm(request.POST, account=account)
        if form.is_valid():
            try:
                request_certificate(account, email=form.cleaned_data["email"], actor=actor_of(request))
            except PushRequestError as error:
                form.add_error("email", str(error))
            else:
                return self.done(request, "The request is ready to be downloaded.", self.url("changelist"))
        return self._page(request, request_form=form, status=422)

    def download(self, request: HttpRequest) -> HttpResponse:
        waiting = PushRequest.objects.for_account(request.get_account()).first()
        if waiting is None:
            raise Http404
        try:
            body, name = _request_file(bytes(waiting.csr_der))
        except (OSError, VendorBundleError, PushRequestError) as error:
            return self.refused(
                request, f"The vendor certificate of this server cannot sign: {error}", self.url("changelist")
            )
        response = HttpResponse(body, content_type="application/octet-stream")
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def upload(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = UploadForm(request.POST, request.FILES, account=account)
        if form.is_valid():
            given = form.cleaned_data
            try:
                upload_certificate(
                    account,
                    certificate_pem=given["certificate"].read(),
                    key_pem=given["key"].read() if given["key"] else None,
                    apple_id=given["apple_id"],
                    actor=actor_of(request),
                )
            except BadPushCertificate as error:
                form.add_error("key" if "private key" in str(error) else "certificate", str(error))
            else:
                return self.done(
                    request, "The push certificate is in use. Devices can be woken now.", self.url("changelist")
                )
        return self._page(request, upload_form=form, status=422)

    def _page(
        self,
        request: HttpRequest,
        *,
        request_form: RequestForm | None = None,
        upload_form: UploadForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        account: Account = request.get_account()
        certificate = PushCertificate.objects.for_account(account).first()
        state, sentence = standing(certificate)
        first = {"email": certificate.apple_id if certificate and certificate.apple_id else request.user.email}
        return self.page(
            request,
            "admin/push/certificate.html",
            title="Push certificate",
            status=status,
            certificate=certificate,
            state=state,
            sentence=sentence,
            waiting=PushRequest.objects.for_account(account).defer("key_pem").first(),
            has_vendor=bool(settings.PUSH_VENDOR_CERTIFICATE),
            request_form=request_form or RequestForm(initial=first, account=account),
            upload_form=upload_form
            or UploadForm(initial={"apple_id": certificate.apple_id if certificate else ""}, account=account),
        )


def _request_file(csr_der: bytes) -> tuple[bytes, str]:
    """What the person takes on: signed for Apple's portal if this server has a vendor certificate, else the plain CSR."""
    if not settings.PUSH_VENDOR_CERTIFICATE:
        return csr_der, "push-request.csr"
    certificate, chain, key = load_vendor_bundle(Path(settings.PUSH_VENDOR_CERTIFICATE).read_bytes())
    return signed_push_request(csr_der, certificate, chain, key), "push-request-for-apple.txt"
