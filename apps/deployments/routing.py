"""Sockets of the browsers: the live page, and the console of a replica."""

from django.urls import path

from apps.deployments.consumers import DeploymentConsumer
from apps.deployments.terminals import ConsoleConsumer

websocket_urlpatterns = [
    path("live/deployments/<uuid:pk>/", DeploymentConsumer.as_asgi()),
    path("live/replicas/<uuid:pk>/console/", ConsoleConsumer.as_asgi()),
]
