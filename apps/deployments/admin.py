"""Admin of the deployments' room: plans, deployments, services, replicas, assignments."""

from __future__ import annotations

from django.urls import reverse
from unfold.decorators import display

from apps.deployments import applying
from apps.deployments.models import Assignment, Deployment, EdgeLog, Plan, Replica, Service
from apps.deployments.status import status_of
from apps.teams.admin_parts import STATE_LABELS, Rows, Shown, by_hand, register, verb
from apps.teams.audit import Actor


class ServiceRows(Rows):
    model = Service
    fields = ("name", "replicas_wanted", "taken", "taken_at", "host")


class ReplicaRows(Rows):
    model = Replica
    fields = ("index", "generation", "state", "reason", "retry_at", "deadline_at")


class AssignmentRows(Rows):
    model = Assignment
    fields = ("generation", "node", "state", "observed", "observed_reason", "endpoint", "lease_until")


@register(Plan)
class PlanAdmin(Shown):
    list_display = ("name", "team", "author", "price_per_hour_glm", "created_at", "applied_at", "deployment")
    list_filter = ("team",)
    search_fields = ("id", "name", "author__username")
    list_select_related = ("team", "author", "deployment")


@register(Deployment)
class DeploymentAdmin(Shown):
    list_display = ("name", "team", "wanted", "status", "created_by", "created_at")
    list_filter = ("wanted", "team")
    search_fields = ("id", "name", "team__slug")
    list_select_related = ("team", "created_by")
    inlines = (ServiceRows,)
    actions = ("stop", "start")

    @display(description="Status", label=STATE_LABELS)
    def status(self, deployment: Deployment) -> tuple[str, str]:
        status = status_of(deployment)
        return status.value, str(status.label)

    @verb("Stop")
    def stop(self, deployment: Deployment, actor: Actor) -> None:
        applying.stop(deployment, actor=actor, reason=by_hand(actor))

    @verb("Start again")
    def start(self, deployment: Deployment, actor: Actor) -> None:
        applying.start(deployment, actor=actor, reason=by_hand(actor))

    def view_on_site(self, deployment: Deployment) -> str:
        return reverse("deployments:detail", args=[deployment.pk])


@register(Service)
class ServiceAdmin(Shown):
    list_display = ("__str__", "replicas_wanted", "taken", "host")
    list_filter = ("deployment__team",)
    search_fields = ("id", "name", "host", "deployment__name")
    list_select_related = ("deployment",)
    inlines = (ReplicaRows,)


@register(Replica)
class ReplicaAdmin(Shown):
    list_display = ("__str__", "state_label", "generation", "attempts", "reason", "retry_at", "deadline_at")
    list_filter = ("state", "service__deployment__team")
    search_fields = ("id", "service__name", "service__deployment__name", "reason")
    list_select_related = ("service__deployment",)
    inlines = (AssignmentRows,)


@register(Assignment)
class AssignmentAdmin(Shown):
    list_display = (
        "__str__",
        "node",
        "state_label",
        "observed_label",
        "observed_reason",
        "endpoint",
        "lease_until",
        "restarts",
    )
    list_filter = ("state", "observed")
    search_fields = ("id", "node__id", "node__name", "endpoint", "agreement__id")
    list_select_related = ("replica__service__deployment", "node")

    @display(description="Observed", label=STATE_LABELS)
    def observed_label(self, assignment: Assignment) -> tuple[str, str]:
        return assignment.observed, assignment.observed or "–"


@register(EdgeLog)
class EdgeLogAdmin(Shown):
    list_display = ("path", "inode")
