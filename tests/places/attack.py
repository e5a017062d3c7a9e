"""Swaps what lies in a folder for links to another one, over and over, until it is told to end.

Arguments: the folder that the links lead to, a seed, how many of the folders are swapped
themselves, and the folders whose inside is swapped. One thing at a time, so that the attacker is
never led outside itself. With an odd seed it waits until files arrive: then a run has looked at
everything, and moves. It runs by itself, as any user, with nothing but the standard library;
what it moves away it puts back, unless something new stands there. Prints how often it swapped,
and how often while files were on their way.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import sys
import time
from pathlib import Path

AWAY = ".away"  # how names begin of what is moved away; the projects leave it out
_NOREPLACE = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_DWELL_S = (0.0, 0.0, 0.0005, 0.002, 0.01, 0.05)


class Attack:
    """One attacker."""

    def __init__(self, outside: str, seed: str, whole: str, *roots: str) -> None:
        self.outside = Path(outside)
        self.seed = seed
        self.roots = [Path(root) for root in roots]
        self.wholes = self.roots[: int(whole)]
        self.root = self.roots[0]
        self.chance = random.Random(seed)  # noqa: S311 - a moment, no secret
        self.swaps = 0
        self.swaps_on_the_way = 0
        self.ended = False

    def run(self) -> None:
        """Swap until the end is asked for."""
        while int(self.seed) % 2 and not self.ended and not self.arriving():
            time.sleep(0.001)
        while not self.ended:
            self.root = self.chance.choice(self.roots)
            act = self.chance.choice((self.home, self.folder, self.folder, self.file, self.whole))
            with contextlib.suppress(OSError):
                act()
            time.sleep(self.chance.choice(_DWELL_S))

    def arriving(self) -> bool:
        """Return whether a run has made the folder in which files arrive, wherever it is now."""
        with contextlib.suppress(OSError):
            return any((home / "staging").exists() for root in self.roots for home in _homes(root))
        return False

    def whole(self) -> None:
        """Swap the folder itself."""
        self.swap(self.chance.choice(self.wholes), self.outside)

    def folder(self) -> None:
        """Swap a folder in it, at any depth."""
        inside = self.chance.choice(("sub", "sub/deep", "down", "down/deep", ".bm-sync"))
        self.swap(self.root / inside, self.outside / inside)

    def file(self) -> None:
        """Swap a file."""
        inside = self.root / self.chance.choice(("sub", "sub/deep", "down"))
        files = [f for f in inside.iterdir() if f.is_file() and not f.name.startswith(AWAY)]
        self.swap(self.chance.choice(sorted(files)), self.outside / "sub/f0.md")

    def home(self) -> None:
        """Swap the folder in which files arrive for one where they arrive outside."""
        home, fake = self.root / ".bm-sync", self.root / f"{AWAY}-fake-{self.swaps}"
        for run in (home / "staging").iterdir():
            (fake / "staging" / run.name).mkdir(parents=True)
            (fake / "staging" / run.name / "in").symlink_to(self.outside / "sub")
        away = self._moved_away(home)
        with contextlib.suppress(OSError):
            _rename(fake, home)
            self._dwell()
            _rename(home, fake)
        _rename(away, home)

    def swap(self, place: Path, target: Path) -> None:
        """Put a link in the place of something for a while."""
        away = self._moved_away(place)
        with contextlib.suppress(OSError):
            place.symlink_to(target)
            self._dwell()
            if place.is_symlink():
                place.unlink()
        _rename(away, place)

    def _moved_away(self, place: Path) -> Path:
        return _rename(place, place.with_name(f"{AWAY}-{self.swaps}-{place.name}"))

    def _dwell(self) -> None:
        self.swaps += 1
        self.swaps_on_the_way += self.arriving()
        time.sleep(self.chance.choice(_DWELL_S))


def _homes(root: Path) -> list[Path]:
    """Return `.bm-sync` of a folder, also where it was moved away."""
    try:
        moved = [path for path in root.iterdir() if path.name.endswith("-.bm-sync")]
    except OSError:  # it is swapped itself
        moved = []
    return [root / ".bm-sync", *moved]


def _rename(old: Path, new: Path) -> Path:
    """Rename something, never over what has come there meanwhile: no version is lost by this."""
    done = _LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), _NOREPLACE)
    if done != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))
    return new


def main() -> None:
    """Run until SIGTERM."""
    attack = Attack(*sys.argv[1:])

    def end(*_: object) -> None:
        attack.ended = True

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)  # noqa: T201 - its one way to say something
    attack.run()
    print(attack.swaps, attack.swaps_on_the_way, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
