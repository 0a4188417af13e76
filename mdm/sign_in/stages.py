"""What stands between proving one's password and being signed in."""

from allauth.mfa.stages import AuthenticateStage
from django.http import HttpRequest

from mdm.sign_in.methods import OIDC, way_in


class SecondFactorStage(AuthenticateStage):
    """Whoever has an authenticator app or a passkey is asked for it. A sign-on provider has its own ways to be sure."""

    def _should_handle(self, request: HttpRequest) -> bool:
        way = way_in(request, self.login.user) if self.login.user else None
        if way is not None and way.method == OIDC:
            return False
        return super()._should_handle(request)
