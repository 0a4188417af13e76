"""To the provider and back. Whatever goes wrong there ends in a sentence, and in the server's log with its cause."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import requests
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from mdm.common.tokens import new_token
from mdm.sign_in.admin_pages.frame import framed
from mdm.sign_in.log import log_failure
from mdm.sign_in.methods import OIDC
from mdm.sign_in.oidc import OidcAdapter, ProviderTrouble, Stranger, Unverified

# The last four: answers that are no OpenID Connect, or no JSON objects at all.
BROKEN = (requests.RequestException, OAuth2Error, AttributeError, KeyError, TypeError, ValueError)

logger = logging.getLogger("pomona.sign_in")


def with_sentences(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    @wraps(view)
    def serve(request: HttpRequest) -> HttpResponse:
        if not settings.OIDC_URL:
            raise Http404
        try:
            return view(request)
        except Stranger as error:
            log_failure(request, "", method=OIDC)
            return _stranger(request, str(error))
        except Unverified as error:
            log_failure(request, str(error), method=OIDC, why="the provider does not vouch for the e-mail address")
            return _unverified(request, str(error))
        except ProviderTrouble as error:
            return _trouble(request, error)
        except BROKEN as error:
            return _broken(request, error)

    return serve


@require_GET
@with_sentences
def begin(request: HttpRequest) -> HttpResponse:
    """Off to the provider, with a state, a nonce and a challenge that only this browser's session can answer."""
    nonce = new_token()
    provider = OidcAdapter(request).get_provider()
    return provider.redirect(
        request,
        AuthProcess.LOGIN,
        next_url=get_next_redirect_url(request),
        auth_params={"nonce": nonce},
        nonce=nonce,
    )


@require_GET
@with_sentences
def come_back(request: HttpRequest) -> HttpResponse:
    return _Callback.adapter_view(OidcAdapter(request))(request)


class _Callback(OAuth2CallbackView):
    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        """The state of a sign-in is used up when it is asked for; its nonce is what the ID token must repeat."""
        state, response = super()._get_state(request, provider)
        self.adapter.nonce = (state or {}).get("nonce", "")
        return state, response


def _stranger(request: HttpRequest, email: str) -> HttpResponse:
    sentences = [
        _("%(provider)s knows you as %(email)s, and nobody has a login with this address here.")
        % {"provider": settings.OIDC_NAME, "email": email},
        _("Ask an owner of your account to invite this address."),
    ]
    return _page(request, _("You have no login here"), sentences, status=403)


def _unverified(request: HttpRequest, email: str) -> HttpResponse:
    if email:
        first = _("%(provider)s does not say whether %(email)s is really your address.")
    else:
        first = _("%(provider)s did not tell your e-mail address.")
    sentences = [
        first % {"provider": settings.OIDC_NAME, "email": email},
        _("Ask whoever runs it to confirm your address there."),
    ]
    return _page(request, _("Your address is not confirmed"), sentences, status=403)


def _trouble(request: HttpRequest, error: ProviderTrouble) -> HttpResponse:
    if error.error == "cancelled":
        return _page(
            request, _("You are not signed in"), [_("You turned back. You can try again at any time.")], status=401
        )
    if isinstance(error.cause, BROKEN):
        return _broken(request, error.cause)
    if "error" in request.GET:
        logger.warning("the sign-on provider answers %.100r", request.GET["error"])
        sentence = _("%(provider)s did not let you in.") % {"provider": settings.OIDC_NAME}
        return _page(request, _("You are not signed in"), [sentence], status=401)
    sentences = [
        _("This sign-in took longer than ten minutes, was begun in another browser, or was finished before."),
        _("Begin again."),
    ]
    return _page(request, _("This sign-in is over"), sentences, status=401)


def _broken(request: HttpRequest, error: BaseException) -> HttpResponse:
    logger.warning("single sign-on failed: %s: %.300s", type(error).__name__, error)
    name = {"provider": settings.OIDC_NAME}
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        sentences = [_("%(provider)s does not answer. Try again in a few minutes.") % name]
        return _page(request, _("The sign-on provider cannot be reached"), sentences, status=502)
    log_failure(request, "", method=OIDC)
    sentences = [
        _("What %(provider)s answered cannot be trusted, so that nobody was signed in.") % name,
        _("Try again. If it stays like this, whoever runs this server finds the reason in its log."),
    ]
    return _page(request, _("You are not signed in"), sentences, status=502)


def _page(request: HttpRequest, title: str, sentences: list[str], *, status: int) -> HttpResponse:
    return framed(request, "sign_in/single_sign_on.html", title=title, status=status, sentences=sentences)
