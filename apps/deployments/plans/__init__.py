"""What a plan is made of, and what became of it.

`placing` asks the market where each replica would go (`replacing`: for whom another makes room), `risks` says
what is bold about that, `effect` what it does to the budget (`reckoning` reckons that); `signing` has the
Queen stand by it, and `actual` shows it beside what was really paid.
"""
