"""Timers: the texts that make a machine sync by itself, and putting them in place.

The texts are pure functions of a `Timer`; only `programs` and `place` touch the machine.
"""
