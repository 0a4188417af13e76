"""The account's push certificate, by which Apple's servers wake its devices."""

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.schema import Resource, describe, shape
from api.times import iso
from api.v1.base import ResourceView
from mdm.accounts.models import Account, Membership, Role
from mdm.push.certificates import BadPushCertificate, upload_certificate
from mdm.push.csr import PushRequestError, VendorBundleError
from mdm.push.models import PushCertificate
from mdm.push.portal import signed_request
from mdm.push.vendor import NoVendorCertificate

MAX_FILE_BYTES = 64 * 1024
PUSH_CERTIFICATE = Resource(
    "PushCertificate",
    {"apple_id": serializers.CharField(allow_null=True), "expires_at": serializers.DateTimeField()},
    identifier=None,
)
SIGNED_REQUEST = shape(
    "SignedPushRequest", data=serializers.CharField(help_text="base64; upload it to Apple's portal as it is.")
)


class NewCertificate(serializers.Serializer):
    file = serializers.FileField(allow_empty_file=True, help_text="The .pem file from Apple's portal.")
    apple_id = serializers.EmailField(required=False, allow_blank=True, default="", max_length=254)

    def validate_file(self, value: UploadedFile) -> UploadedFile:
        if not value.size:
            raise serializers.ValidationError("The file is empty.")
        if value.size > MAX_FILE_BYTES:
            raise serializers.ValidationError("This file is far too large to be a certificate.")
        return value


class PushCertificateView(ResourceView):
    section = "push_certificate"

    @describe("push_certificate_show", "Show the push certificate", answers=PUSH_CERTIFICATE.one)
    def show(self, request: Request) -> Response:
        certificate = self.rows(PushCertificate).first()
        if certificate is None:
            raise Http404
        return _answer(certificate)

    @describe(
        "push_certificate_update",
        "Upload the certificate that Apple made of a signed request",
        answers=PUSH_CERTIFICATE.one,
        takes=NewCertificate,
    )
    def update(self, request: Request) -> Response:
        """It replaces the present one, whose topic it must have: the enrolled devices could not be woken otherwise."""
        given = self.read(NewCertificate)
        try:
            certificate = upload_certificate(
                request.account,
                certificate_pem=given["file"].read(),
                apple_id=given["apple_id"],
                actor=request.actor,
            )
        except BadPushCertificate as error:
            raise ApiError(422, str(error)) from error
        return _answer(certificate)


class PushRequestView(ResourceView):
    """A GET that makes a key when none waits: a read-only key is not enough."""

    section = "push_certificate"
    changes_always = True

    @describe(
        "push_certificate_request", "Get a signed request for Apple's push certificate portal", answers=SIGNED_REQUEST
    )
    def show(self, request: Request) -> Response:
        """The same one until a certificate is uploaded; its private key stays on this server.

        Signed by the account's vendor certificate, else by that of the server, else as mdmcert.download signed it.
        """
        try:
            signed = signed_request(request.account, email=_email(request.account), actor=request.actor)
        except (NoVendorCertificate, VendorBundleError, PushRequestError) as error:
            raise ApiError(422, str(error)) from error
        return Response({"data": signed.decode()})


def _answer(certificate: PushCertificate) -> Response:
    attributes = {"apple_id": certificate.apple_id or None, "expires_at": iso(certificate.not_after)}
    return Response({"data": {"type": "push_certificate", "attributes": attributes}})


def _email(account: Account) -> str:
    """In the request it only tells people whom it belongs to: as last time, else the Apple Account, else the owner."""
    present = PushCertificate.objects.for_account(account).defer("key_pem").first()
    known = (present.request_email or present.apple_id) if present else ""
    if known:
        return known
    owner = (
        Membership.objects.for_account(account).filter(role=Role.OWNER).select_related("user").order_by("pk").first()
    )
    return owner.user.email if owner else "push@example.invalid"
