"""`python -m agent`: what `hive agent` does, without the rest of the `hive` command in memory."""

from agent.cli import agent_group

agent_group(prog_name="hive agent")
