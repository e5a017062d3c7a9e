"""The text that `init` writes: a first manifest that works as it stands, with comments."""

from __future__ import annotations

_TEXT = """\
# What is kept in sync, and how. Check it: bm-sync validate. See what would move: bm-sync plan.
version: 1

remotes:
  # A folder stands in for a remote until you have one. ~ is your home.
  shelf: {type: local, root: ~/bm-sync-shelf}

  # A remote of your own rclone.conf (see: rclone listremotes):
  # mine: {rclone: gdrive, root: notes}

  # Any rclone backend, with the options as rclone names them. Secrets are never written here.
  # archive:
  #   type: s3
  #   options:
  #     provider: AWS
  #     access_key_id: {env: ARCHIVE_KEY_ID}
  #     secret_access_key: {env: ARCHIVE_SECRET}
  #   root: notes-bucket/kb

filters:
  common:
    gitignore: true                           # .gitignore files inside a project count
    # gitignore syntax; the last match wins, ! takes back in.
    exclude: ["*.tmp", ".DS_Store", ".obsidian/workspace*"]

policies:
  careful:
    mode: two-way                             # two-way, mirror, push or pull
    conflict: {winner: newer, loser: copy}    # the other version stays beside it
    guards: {max_delete: {percent: 25, at_least: 10}}

defaults: {remote: shelf, policy: careful, filters: [common]}

projects:
  notes:
    local: ~/notes
"""


def text() -> str:
    """Return the starter manifest."""
    return _TEXT
