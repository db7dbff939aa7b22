from django.urls import path

from apps.billing import views

app_name = "billing"
urlpatterns = [
    path("teams/<slug:slug>/billing/", views.overview, name="overview"),
    path("teams/<slug:slug>/billing/invoices/", views.draw_up, name="draw-up"),
    path("teams/<slug:slug>/billing/wallets/", views.add_wallet, name="add-wallet"),
    path("invoices/<uuid:pk>/", views.invoice, name="invoice"),
]
