"""How an agent may end other than well; each carries the sentence its owner reads."""

from __future__ import annotations


class AgentError(Exception):
    """Something the owner must put right; `exit_code` is the command's."""

    exit_code = 1


class JournalFault(AgentError):
    """What should outlive the agent can't be written down now: the disk is full, or broken."""


class RefusedByQueen(AgentError):
    """A final refusal: trying again would not help."""

    exit_code = 3


class NoHiveAnswers(AgentError):
    """Nobody at the URL, or nobody that speaks our protocol."""

    exit_code = 7
