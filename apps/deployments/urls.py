from django.urls import path

from apps.deployments import views

app_name = "deployments"
urlpatterns = [
    path("teams/<slug:slug>/deployments/", views.index, name="list"),
    path("teams/<slug:slug>/deployments/new/", views.new, name="new"),
    path("plans/<uuid:pk>/", views.plan, name="plan"),
    path("plans/<uuid:pk>/apply/", views.apply, name="apply"),
    path("deployments/<uuid:pk>/", views.detail, name="detail"),
    path("deployments/<uuid:pk>/stop/", views.stop, name="stop"),
    path("deployments/<uuid:pk>/start/", views.start, name="start"),
    path("deployments/<uuid:pk>/budget/", views.budget, name="budget"),
    path("services/<uuid:pk>/scale/", views.scale, name="scale"),
    path("replicas/<uuid:pk>/console/", views.console, name="console"),
    path("replicas/<uuid:pk>/logs/", views.logs, name="logs"),
    path("replicas/<uuid:pk>/logs/text/", views.log_text, name="log-text"),
]
