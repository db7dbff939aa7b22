"""How far a node can be relied on: by facts alone, each told with what it comes from.

`records` keeps the facts, `noting` is the one door for them, `gathering` finds those nobody writes down where
they happen, `weighing` makes a score of them, `telling` says it in sentences, `reckoning` keeps it at hand.
"""
