"""Managed configuration: what an app reads from its management, and what it answers.

Values may be passwords and tokens: whoever only reads sees the keys and not the values, and no answers of apps either.
"""

import json
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps_catalog.admin.app_forms import ConfigForm
from apps_catalog.admin.app_page import configured_devices, feedback_of
from apps_catalog.models import App, AppInstall, ManagedConfig, ValueType
from apps_catalog.services.errors import CatalogError, InvalidValue
from apps_catalog.services.managed_configs import push, remove_config, set_config
from devices.models import CustomAttribute
from devices.services.variables import BUILT_IN, names_in, unknown_names
from mdm.accounts.admin_base import actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm, posted
from mdm.accounts.permissions import Action
from mdm.common.words import count_of

MOST_LISTED = 1000
LONGEST_SHOWN = 2000  # signs of an app's answer
EXAMPLES = (
    (ValueType.STRING, gettext_lazy("Any text"), "Acme Inc."),
    (ValueType.BOOLEAN, gettext_lazy("1 or 0; true and false are understood as well"), "1"),
    (ValueType.INTEGER, gettext_lazy("A whole number"), "32"),
    (ValueType.FLOAT, gettext_lazy("A number with a point"), "0.125"),
    (ValueType.DATE, gettext_lazy("A time with its zone"), "2027-01-31T12:30:00+01:00"),
    (ValueType.STRING_ARRAY, gettext_lazy("Texts in quotes, separated by commas"), '"First text","Second text"'),
    (ValueType.INTEGER_ARRAY, gettext_lazy("Whole numbers, separated by commas"), "1,2,3"),
    (ValueType.FLOAT_ARRAY, gettext_lazy("Numbers, separated by commas"), "0.5,1.25"),
)


@dataclass(frozen=True)
class ShownKey:
    """value, unknown: empty for those who may not see values."""

    config: ManagedConfig
    value: str = ""
    unknown: tuple[str, ...] = ()


class ConfigPages:
    """For the admin of apps (which brings `page`, `form_page`, `url`, `may`, `done` and `refused`)."""

    def configuration(self, request: HttpRequest, app: App) -> HttpResponse:
        may_see = self.may(request, Action.MANAGE_DEVICES)
        configs = list(ManagedConfig.objects.filter(app=app).order_by("key", "pk")[:MOST_LISTED])
        attributes = CustomAttribute.objects.for_account(app.account_id).order_by("name")
        return self.page(
            request,
            "admin/apps/configuration.html",
            title=_("Managed configuration"),
            app=app,
            keys=_shown(configs, app.account_id) if may_see else [ShownKey(config) for config in configs],
            may_see=may_see,
            built_in=sorted(BUILT_IN),
            attributes=list(attributes.values_list("name", flat=True)[:MOST_LISTED]),
            answers=[(row, _answer(row)) for row in feedback_of(app)] if may_see else [],
            crumb=(app.name, self.url("change", app.pk)),
        )

    def configuration_key(self, request: HttpRequest, app: App) -> HttpResponse:
        """A new key, or `?key=` with the row of one that is there."""
        back = self.url("configuration", app.pk)
        config = self._config(app, request.GET["key"]) if "key" in request.GET else None
        first = {"key": config.key, "value": config.value, "value_type": config.value_type} if config else {}
        form = ConfigForm(posted(request), initial=first, config=config, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                found = set_config(app, **form.cleaned_data, actor=actor_of(request))
            except InvalidValue as error:
                form.add_error("value", str(error))
            except App.DoesNotExist as error:
                raise Http404 from error
            else:
                self._warn_of_unknown(request, found)
                sentence = _("%(key)s is saved. Devices that have the app get it when you push the configuration.") % {
                    "key": found.key
                }
                return self.done(request, sentence, back)
        return self.page(
            request,
            "admin/apps/configuration_key.html",
            title=_("Change %(key)s") % {"key": config.key} if config else _("Add a key"),
            form=form,
            examples=[(kind.label, what, example) for kind, what, example in EXAMPLES],
            back=back,
            crumb=(app.name, self.url("change", app.pk)),
        )

    def configuration_remove(self, request: HttpRequest, app: App) -> HttpResponse:
        config = self._config(app, request.POST.get("key"))
        remove_config(config, actor=actor_of(request))
        sentence = _("%(key)s was deleted. Devices lose it when you push the configuration.") % {"key": config.key}
        return self.done(request, sentence, self.url("configuration", app.pk))

    def configuration_push(self, request: HttpRequest, app: App) -> HttpResponse:
        back = self.url("configuration", app.pk)
        if request.method == "POST":
            try:
                total = push(app, actor=actor_of(request))
            except CatalogError as error:
                return self.refused(request, str(error), back)
            return self.done(
                request, _("The configuration goes to %(devices)s.") % {"devices": count_of(total, "device")}, back
            )
        count = configured_devices(app)
        keys = app.managed_configs.count()
        what = (
            _("its %(keys)s") % {"keys": count_of(keys, "key")}
            if keys
            else _("an empty configuration, which takes away what it had")
        )
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Push the configuration of %(app)s") % {"app": app},
            intro=ngettext(
                "%(enrolled_devices)s that manages this app gets %(what)s. Variables are filled in for each of them.",
                "%(enrolled_devices)s that manage this app get %(what)s. Variables are filled in for each of them.",
                count,
            )
            % {"enrolled_devices": count_of(count, "enrolled device"), "what": what},
            button=_("Push to devices now"),
            back=back,
            crumb=(app.name, self.url("change", app.pk)),
        )

    def _config(self, app: App, number: str | None) -> ManagedConfig:
        config = ManagedConfig.objects.filter(app=app, pk=row_number(number)).select_related("app").first()
        if config is None:
            raise Http404
        return config

    def _warn_of_unknown(self, request: HttpRequest, config: ManagedConfig) -> None:
        unknown = unknown_names(names_in(config.value.encode()), config.account_id)
        if unknown:
            names = ", ".join(f"{{{{{name}}}}}" for name in unknown)
            self.message_user(
                request,
                _("Nothing is known by the name %(names)s: devices get it as it is written.") % {"names": names},
                "WARNING",
            )


def _shown(configs: list[ManagedConfig], account_id: int) -> list[ShownKey]:
    """With what would stay unfilled; one statement for all of them."""
    used = {config.pk: names_in(config.value.encode()) for config in configs}
    unknown = set(unknown_names(sorted(set().union(*used.values())), account_id)) if any(used.values()) else set()
    return [
        ShownKey(config, config.value, tuple(name for name in used[config.pk] if name in unknown)) for config in configs
    ]


def _answer(row: AppInstall) -> str:
    text = json.dumps(row.feedback, indent=2, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
