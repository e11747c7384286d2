"""Plays files of strangers, each in a process of its own that has nothing but its pipe.

`guest` is the process, `confinement` what it takes from itself, `bubblewrap` what it is started with. In the market's
process, `guest_process` is the end of the pipe, `guest_player` plays the bot through it, and `room` is what the guests
of a match share. `wire` is what goes through the pipe.
"""
