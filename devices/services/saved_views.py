"""Views of the device list that people keep, and how they like the list. A view changes nothing on devices, so none is logged."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from devices.models import SavedView
from devices.services.errors import NotPossible
from mdm.accounts.models import Account, User

MOST_VIEWS = 50  # of one person in one account
MOST_SHOWN = 200
NAME_LENGTH = 100
QUERY_LENGTH = 2000
# Where `User.preferences` has it. Columns are the same in every account; the view that opens first is of one.
COLUMNS, FIRST_VIEWS = "device_columns", "device_first_views"


def views_for(account: Account, user: User) -> QuerySet[SavedView]:
    """Their own and the shared ones, by name."""
    found = SavedView.objects.for_account(account).filter(Q(owner=user) | Q(is_shared=True))
    return found.order_by(Lower("name"), "pk")


def save_view(
    account: Account, owner: User, *, name: str, query: str, columns: Sequence[str], is_shared: bool = False
) -> SavedView:
    """query: the list's address after the question mark. Raises NotPossible."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)  # two at once must not pass the limit
        if SavedView.objects.for_account(account).filter(owner=owner).count() >= MOST_VIEWS:
            raise NotPossible(
                _("You have %(number)s views, which is the most. Delete one that you no longer need first.")
                % {"number": MOST_VIEWS}
            )
        view = SavedView(
            account=account, owner=owner, query=_fitting(query), columns=list(columns), is_shared=is_shared
        )
        return _named(view, name)


def update_view(view: SavedView, *, query: str, columns: Sequence[str]) -> None:
    """It shows from now on what the list shows. Raises NotPossible."""
    view.query, view.columns = _fitting(query), list(columns)
    view.save(update_fields=["query", "columns"])


def rename_view(view: SavedView, name: str, *, is_shared: bool) -> None:
    """Raises NotPossible."""
    view.is_shared = is_shared
    _named(view, name)


def delete_view(view: SavedView) -> None:
    """Those who opened it first see all devices from now on."""
    view.delete()


def first_view(user: User, account: Account) -> int | None:
    """The pk of the view with which the list opens for them; there may no longer be such a view."""
    found = user.preferences.get(FIRST_VIEWS)
    return found.get(str(account.pk)) if isinstance(found, dict) else None


def open_first(user: User, account: Account, view: SavedView | None) -> None:
    """The list opens with this view; None: with all devices."""
    with transaction.atomic():
        person = User.objects.select_for_update().get(pk=user.pk)
        found = {**(person.preferences.get(FIRST_VIEWS) or {})}
        found.pop(str(account.pk), None)
        if view:
            found[str(account.pk)] = view.pk
        _prefer(person, FIRST_VIEWS, found)


def keep_columns(user: User, keys: Sequence[str]) -> None:
    """Which columns they see, in which order; none: what everybody sees at first."""
    with transaction.atomic():
        person = User.objects.select_for_update().get(pk=user.pk)
        _prefer(person, COLUMNS, list(keys))


def kept_columns(user: User) -> list[str]:
    found = user.preferences.get(COLUMNS)
    return [key for key in found if isinstance(key, str)] if isinstance(found, list) else []


def _prefer(person: User, name: str, value: object) -> None:
    person.preferences = {key: one for key, one in person.preferences.items() if key != name}
    if value:
        person.preferences[name] = value
    person.save(update_fields=["preferences"])


def _fitting(query: str) -> str:
    if len(query) > QUERY_LENGTH:
        raise NotPossible(_("The search and its filters are too long to be kept as a view."))
    return query


def _named(view: SavedView, name: str) -> SavedView:
    name = name.strip()
    if not name or len(name) > NAME_LENGTH:
        raise NotPossible(_("Give the view a name of up to %(number)s characters.") % {"number": NAME_LENGTH})
    view.name = name
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        raise NotPossible(_("You have a view called “%(name)s” already.") % {"name": name}) from error
    return view
