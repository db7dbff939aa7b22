from django.urls import path

from hive_portal.owners import views

app_name = "bees"
urlpatterns = [
    path("bees/", views.index, name="list"),
    path("bees/<str:node_id>/", views.detail, name="detail"),
]
