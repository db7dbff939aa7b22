from django.urls import path

from apps.teams import views
from apps.teams.notices import views as notices

app_name = "teams"
urlpatterns = [
    path("teams/<slug:slug>/settings/", views.settings, name="settings"),
    path("teams/<slug:slug>/tokens/", views.create_token, name="create-token"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke-token"),
    path("teams/<slug:slug>/notices/", notices.notices, name="notices"),
    path("teams/<slug:slug>/notices/mails/", notices.want_mails, name="want-mails"),
    path("teams/<slug:slug>/webhooks/", notices.add_webhook, name="add-webhook"),
    path("webhooks/<uuid:pk>/test/", notices.send_test, name="test-webhook"),
    path("webhooks/<uuid:pk>/rotate/", notices.rotate_secret, name="rotate-webhook"),
    path("webhooks/<uuid:pk>/remove/", notices.remove_webhook, name="remove-webhook"),
    path("deliveries/<uuid:pk>/again/", notices.redeliver, name="redeliver"),
]
