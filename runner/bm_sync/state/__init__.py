"""What bm-sync remembers: baselines, runs, conflicts, facts about remotes, and who holds a project.

This room reads and writes the state directory and nothing else. It never looks at a side.
"""
