"""The league: tournaments of bots, what came of them as a report, and the proof that it came so.

The matches are played by bots/simulated or by a running exchange; here is what they have in common: who plays in what
(configuration), what a match ends with (result), how good a bot was (metrics, statistics, rating), whether the market
behaved like one (stylised facts), and the folder in which all of it lies (archive, report).
"""
