"""Every address of the portal. A row of another team is a 404 in each of them."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from hive_portal import pages
from hive_portal.api import api_urlpatterns
from hive_portal.contracts import agreement
from hive_portal.peers import peers_urlpatterns

admin.site.index_title = "How the Hive stands"

urlpatterns = [
    path("", pages.dashboard, name="dashboard"),
    path("healthz", pages.healthz, name="healthz"),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("teams/<slug:slug>/", pages.team, name="team"),
    path("", include("apps.deployments.urls")),
    path("", include("apps.billing.urls")),
    path("", include("apps.market.urls")),
    path("", include("apps.nodes.urls")),
    path("", include("apps.teams.urls")),
    path("", include("hive_portal.owners.urls")),
    path("", include("hive_portal.keys.urls")),
    path("agreements/<uuid:pk>/", agreement, name="agreement"),
    path("admin/", admin.site.urls),
    *api_urlpatterns,
    *peers_urlpatterns,
]
