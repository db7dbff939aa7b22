from django.urls import path

from apps.market import views

app_name = "market"
urlpatterns = [
    path("market/", views.index, name="index"),
    path("market/nodes/<str:node_id>/", views.node, name="node"),
]
