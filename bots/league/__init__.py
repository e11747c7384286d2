"""The league: tournaments of bots, their report, and a proof of the result.

Matches run in bots/simulated or on a running exchange. `play` has the configuration, the entrants and the matches,
`scoring` the metrics, ratings and stylised facts, `proof` the archive and its verification, `reporting` the report, and
`sandbox` runs files of strangers.
"""
