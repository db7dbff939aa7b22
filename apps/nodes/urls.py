from django.urls import path

from apps.nodes import views

app_name = "nodes"
urlpatterns = [
    path("nodes/", views.index, name="list"),
    path("nodes/enrol/", views.enrol, name="enrol"),
    path("nodes/<str:node_id>/", views.detail, name="detail"),
]
