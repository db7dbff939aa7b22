from django.urls import path

from apps.billing import views
from apps.billing.alerts import views as alert_views
from apps.billing.chain import proof_views
from apps.billing.invoicing import details_views
from apps.billing.statements.views import statement
from apps.billing.wallets import views as wallet_views
from apps.billing.wallets import withdrawal_views

app_name = "billing"
urlpatterns = [
    path("proofs/", proof_views.proofs, name="proofs"),
    path("proofs.json", proof_views.proofs_file, name="proofs-file"),
    path("teams/<slug:slug>/billing/", views.overview, name="overview"),
    path("teams/<slug:slug>/billing/statement/", statement, name="statement"),
    path("teams/<slug:slug>/billing/details/", details_views.details, name="details"),
    path("teams/<slug:slug>/billing/details/change/", details_views.change, name="change-details"),
    path("teams/<slug:slug>/billing/alerts/", alert_views.alerts, name="alerts"),
    path(
        "teams/<slug:slug>/billing/budgets/<int:budget_id>/alerts/", alert_views.add_alert, name="add-alert"
    ),
    path("alerts/<int:pk>/remove/", alert_views.remove_alert, name="remove-alert"),
    path("teams/<slug:slug>/billing/invoices/", views.draw_up, name="draw-up"),
    path("teams/<slug:slug>/billing/wallets/", wallet_views.wallets, name="wallets"),
    path("teams/<slug:slug>/billing/withdrawals/", withdrawal_views.withdraw, name="withdraw"),
    path("budgets/<int:pk>/at-end/", views.at_end, name="at-end"),
    path("withdrawals/<uuid:pk>/confirm/", withdrawal_views.confirm, name="confirm-withdrawal"),
    path("withdrawals/<uuid:pk>/cancel/", withdrawal_views.cancel, name="cancel-withdrawal"),
    path("teams/<slug:slug>/billing/wallets/message/", wallet_views.ask_proof, name="ask-proof"),
    path("teams/<slug:slug>/billing/wallets/proof/", wallet_views.prove, name="prove-wallet"),
    path("invoices/<uuid:pk>/", views.invoice, name="invoice"),
    path("invoices/<uuid:pk>/<slug:form>/", views.invoice_file, name="invoice-file"),
    path("credit-notes/<uuid:pk>/<slug:form>/", views.credit_note_file, name="credit-note-file"),
]
