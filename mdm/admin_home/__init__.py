"""The home page of the admin: what needs attention, what there is, how it is going, what happened last."""

from mdm.admin_home.page import home, home_live

__all__ = ["home", "home_live"]
