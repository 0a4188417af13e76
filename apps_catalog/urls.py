"""What devices fetch apps by, mounted at /apps/: no cookies, the token in the address is the key. Icons are for people,
and Apple tells of licences at an address that only it knows.
"""

from django.urls import path

from apps_catalog.views import app_file, app_icon, app_manifest, licence_notifications

urlpatterns = [
    path("files/<str:token>/<str:name>", app_file, name="app-file"),
    path("icons/<int:pk>/<str:name>", app_icon, name="app-icon"),
    path("licences/<str:key>", licence_notifications, name="licence-notifications"),
    path("manifests/<str:token>.plist", app_manifest, name="app-manifest"),
]
