"""REST: from a Compose file to a plan, from a plan to a deployment, and what can be done with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.budgets.capping import change_cap
from apps.deployments import applying
from apps.deployments.logs import log_of
from apps.deployments.models import Deployment, Plan
from apps.deployments.planning import draw_up_plan
from apps.deployments.plans.actual import actual_of
from apps.deployments.plans.listing import counted
from apps.deployments.serializers import (
    ActualSerializer,
    DeploymentSerializer,
    EventSerializer,
    LogQuerySerializer,
    LogSerializer,
    NewCapSerializer,
    NewPlanSerializer,
    PlanRowSerializer,
    PlanSerializer,
    ReasonSerializer,
    ReplicaSerializer,
    ScaleSerializer,
    WholePlanSerializer,
)
from apps.deployments.showing import ReplicaSheet, events_of, sheet_of, sheets_of
from apps.market.keys.reach import made_with
from apps.teams.audit import Actor
from apps.teams.rest import TEAM, TeamScoped, acting_team, is_uuid, token_of, user_of
from apps.teams.strict import must_say_nothing

EVENTS_KEPT = 1000
"""How far back `events` looks; the audit trail itself is kept whole."""

NAME = OpenApiParameter("id", OpenApiTypes.STR, OpenApiParameter.PATH, description="Its name or its id.")
REPLICA = OpenApiParameter("replica", OpenApiTypes.STR, OpenApiParameter.PATH, description="`web-1`.")


@extend_schema_view(
    list=extend_schema(parameters=[TEAM], description="Newest first, each in short; its own address has all.")
)
class PlanViewSet(mixins.ListModelMixin, TeamScoped[Plan]):
    """What would be placed where, at which price. A plan changes nothing until it is applied."""

    queryset = Plan.objects.select_related("team", "author", "deployment")
    serializer_class = PlanRowSerializer
    reached_by_keys = True

    def get_queryset(self) -> QuerySet[Plan]:
        plans = made_with(self.request, super().get_queryset())
        return counted(plans) if self.action == "list" else plans

    @extend_schema(responses=WholePlanSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(WholePlanSerializer(self.get_object()).data)

    @extend_schema(request=NewPlanSerializer, responses={201: PlanSerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        """Draw up a plan. A file with faults is refused with all of them, each with place and line."""
        team = acting_team(request)
        asked = NewPlanSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        plan = draw_up_plan(
            team=team,
            author=user_of(request),
            name=asked.validated_data["name"],
            source=asked.validated_data["source"],
            file_name=asked.validated_data["file_name"],
            variables=asked.validated_data["variables"],
            key=token_of(request),
        )
        return Response(PlanSerializer(plan).data, status.HTTP_201_CREATED)

    @extend_schema(responses=ActualSerializer)
    @action(detail=True)
    def actual(self, request: Request, pk: str) -> Response:
        """What became of it: the prices that were agreed and what was really paid, beside what it said."""
        return Response(ActualSerializer(actual_of(self.get_object())).data)

    @extend_schema(request=None, responses={201: DeploymentSerializer})
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Make it so. Applying a plan twice gives the same deployment."""
        plan, actor = self.get_changeable(), Actor.user(user_of(request))
        must_say_nothing(request)
        deployment = applying.apply_plan(plan, actor=actor, key=token_of(request))
        return Response(DeploymentSerializer(sheet_of(deployment)).data, status.HTTP_201_CREATED)


@extend_schema(parameters=[NAME])
@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class DeploymentViewSet(TeamScoped[Deployment]):
    """What your team runs; by name or id."""

    queryset = Deployment.objects.select_related(
        "team", "created_by", "key", "cap__budget__available", "cap__budget__team"
    )
    serializer_class = DeploymentSerializer
    reached_by_keys = True

    def get_queryset(self) -> QuerySet[Deployment]:
        return made_with(self.request, super().get_queryset())

    def get_object(self) -> Deployment:
        name = self.kwargs["pk"]
        found = self.get_queryset().filter(**({"pk": name} if is_uuid(name) else {"name": name}))
        if len(found) > 1:
            raise ValidationError({"team": f"{name} exists in several of your teams: say which with ?team="})
        if not found:
            raise NotFound(f"there is no deployment {name}")
        return found[0]

    @extend_schema(responses=DeploymentSerializer(many=True))
    def list(self, request: Request) -> Response:
        page: Any = self.paginate_queryset(self.get_queryset())
        found: QuerySet[Deployment] = self.get_queryset().filter(pk__in=[each.pk for each in page])
        return self.get_paginated_response(DeploymentSerializer(sheets_of(found), many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._shown(self.get_object())

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """Run nothing of it. What was held and not used goes back to the budget."""
        deployment = self.get_changeable()
        asked = ReasonSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        reason = asked.validated_data.get("reason") or "stopped over the API"
        applying.stop(deployment, actor=Actor.user(user_of(request)), reason=reason)
        return self._shown(deployment)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Run it again; replicas that had failed get another try."""
        deployment = self.get_changeable()
        must_say_nothing(request)
        applying.start(deployment, actor=Actor.user(user_of(request)), reason="started over the API")
        return self._shown(deployment)

    @extend_schema(request=ScaleSerializer)
    @action(detail=True, methods=["post"])
    def scale(self, request: Request, pk: str) -> Response:
        """Change how many replicas its services have, all of them or none."""
        deployment = self.get_changeable()
        asked = ScaleSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        _scale(deployment, asked.validated_data["replicas"], actor=Actor.user(user_of(request)))
        return self._shown(deployment)

    @extend_schema(request=NewCapSerializer)
    @action(detail=True, methods=["patch"])
    def budget(self, request: Request, pk: str) -> Response:
        """Change what it may take of its budget, and what becomes of it when its money ends."""
        deployment = self.get_changeable()
        if getattr(request, "is_application", False):
            raise PermissionDenied("an application key spends under a cap and does not set it: ask a member")
        asked = NewCapSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        cap = deployment.cap
        said = {"limit_glm": cap.limit_glm, "per": cap.per, "at_end": cap.at_end} | asked.validated_data
        try:
            change_cap(cap, **said, actor=Actor.user(user_of(request)))
        except ValueError as error:
            raise ValidationError({"limit_glm": str(error)}) from None
        return self._shown(deployment)

    @extend_schema(responses=ReplicaSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def replicas(self, request: Request, pk: str) -> Response:
        """Where each replica runs, what it waits for, and until when."""
        return Response(ReplicaSerializer(sheet_of(self.get_object()).replicas, many=True).data)

    @extend_schema(parameters=[LogQuerySerializer, REPLICA], responses=LogSerializer)
    @action(detail=True, url_path="replicas/(?P<replica>[^/]+)/logs")
    def logs(self, request: Request, pk: str, replica: str) -> Response:
        """The last lines of what a replica wrote, asked of its Bee now; those of its newest generation."""
        asked = LogQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found = _named(sheet_of(self.get_object()).replicas, replica)
        return Response(LogSerializer(log_of(found.replica, **asked.validated_data)).data)

    @extend_schema(responses=EventSerializer(many=True))
    @action(detail=True)
    def events(self, request: Request, pk: str) -> Response:
        """What happened to it and to all that was made for it, newest first."""
        events: Any = events_of(self.get_object(), limit=EVENTS_KEPT)
        page = self.paginate_queryset(events)
        return self.get_paginated_response(EventSerializer(page, many=True).data)

    def _shown(self, deployment: Deployment) -> Response:
        return Response(DeploymentSerializer(sheet_of(deployment)).data)


def _named(replicas: list[ReplicaSheet], name: str) -> ReplicaSheet:
    for each in replicas:
        if each.replica.name == name:
            return each
    raise NotFound(
        f"there is no replica {name}; there is {', '.join(each.replica.name for each in replicas)}"
    )


@transaction.atomic
def _scale(deployment: Deployment, wanted: Mapping[str, int], *, actor: Actor) -> None:
    services = {service.name: service for service in deployment.services.all()}
    for name, replicas in wanted.items():
        if name not in services:
            raise ValidationError({f"replicas.{name}": f"no such service; there is {', '.join(services)}"})
        applying.scale(services[name], replicas, actor=actor)
