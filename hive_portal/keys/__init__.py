"""Application keys as their team's owners see them: what each may, what it spent, and what runs under it."""
