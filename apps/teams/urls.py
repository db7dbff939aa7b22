from django.urls import path

from apps.teams import views

app_name = "teams"
urlpatterns = [
    path("teams/<slug:slug>/settings/", views.settings, name="settings"),
    path("teams/<slug:slug>/tokens/", views.create_token, name="create-token"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke-token"),
]
