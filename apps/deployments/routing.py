from django.urls import path

from apps.deployments.consumers import DeploymentConsumer

websocket_urlpatterns = [
    path("live/deployments/<uuid:pk>/", DeploymentConsumer.as_asgi()),
]
