"""The account's request as Apple's portal takes it, signed by whoever can."""

from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.push.certificates import request_certificate, waiting_request
from mdm.push.csr import signed_push_request
from mdm.push.models import PushRequest
from mdm.push.signing import newest_order
from mdm.push.vendor import NoVendorCertificate, vendor_bundle


def signed_for_apple(request: PushRequest) -> bytes:
    """Signed by the vendor certificate of the account or of the installation.

    Raises NoVendorCertificate, VendorBundleError, PushRequestError.
    """
    return signed_push_request(bytes(request.csr_der), *vendor_bundle(request.account))


def signed_request(account: Account, *, email: str, actor: Actor) -> bytes:
    """The waiting request, or a new one with that address; without a vendor certificate as mdmcert.download signed it.

    Raises NoVendorCertificate (then no request is made), VendorBundleError, PushRequestError.
    """
    request = waiting_request(account)
    try:
        bundle = vendor_bundle(account)
    except NoVendorCertificate:
        order = newest_order(account, is_answered=True)
        if order is None or order.request != request:
            raise
        return order.signed_request.encode()
    request = request or request_certificate(account, email=email, actor=actor)
    return signed_push_request(bytes(request.csr_der), *bundle)
