from django.urls import path

from hive_portal.owners import disputes, views

app_name = "bees"
urlpatterns = [
    path("bees/", views.index, name="list"),
    path("bees/<str:node_id>/", views.detail, name="detail"),
    path("disputes/", disputes.index, name="disputes"),
    path("disputes/<uuid:pk>/", disputes.detail, name="dispute"),
    path("disputes/<uuid:pk>/say/", disputes.say, name="dispute-say"),
    path("disputes/<uuid:pk>/accept/", disputes.accept, name="dispute-accept"),
    path("disputes/<uuid:pk>/reply/", disputes.reply, name="dispute-reply"),
]
