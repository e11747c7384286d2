"""Plays files of strangers, each in a process of its own that has nothing but its pipe.

`guest` is the process, `confinement` what it takes from itself, `bubblewrap` what it is started with; `guest_player` is
the market's end of the pipe, and `wire` what goes through it.
"""
