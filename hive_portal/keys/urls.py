from django.urls import path

from hive_portal.keys import views

app_name = "keys"
urlpatterns = [
    path("teams/<slug:slug>/keys/", views.index, name="list"),
    path("teams/<slug:slug>/keys/new/", views.create, name="create"),
    path("keys/<int:pk>/", views.detail, name="detail"),
    path("keys/<int:pk>/change/", views.change, name="change"),
    path("keys/<int:pk>/revoke/", views.revoke, name="revoke"),
]
