"""Somebody who uses the stand-in of the cloud: their files, their account, their command line."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli_outside import Said, World
from standin_server import Standin

from bm_sync.cloud.account import Account
from bm_sync.cloud.calls import RetryPace
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.logins import OwnLogins, kept_now
from bm_sync.cloud.places import Host, host_of
from bm_sync.cloud.tokens import ApiKey
from bm_sync.secret import Secret

_SWITCHES = {
    "auto_approve": "",
    "interval_s": 5,
    "code_expires_s": 300,
    "access_token_s": 3600,
    "refresh_grace_s": 30.0,
    "refresh_tells_token": True,
    "login_tells_refresh_token": True,
    "subscription_shape": "nested",
    "mount_prefix": "/app/data/",
}


def begin_anew(service: Standin) -> None:
    """Take back what an earlier test asked of the stand-in."""
    service.admin("clear-faults")
    service.admin("switch", **_SWITCHES)
    service.admin("subscription", active=True)
    service.admin("reset-counts")


@dataclass
class Waits:
    """A clock that only goes on when somebody waits, and remembers how long each wait was."""

    asked: list[float] = field(default_factory=list)
    then: Callable[[int], object] = lambda _: None

    def clock(self) -> float:
        """Return the seconds waited so far."""
        return sum(self.asked)

    async def sleep(self, seconds: float) -> None:
        """Note a wait, and do what comes `then` with its number."""
        self.asked.append(seconds)
        self.then(len(self.asked))

    def pace(self) -> RetryPace:
        """Return a pace that waits so."""
        return RetryPace(sleep=self.sleep)


@dataclass(frozen=True)
class User:
    """A home directory whose cloud is the stand-in."""

    home: Path
    service: Standin

    @property
    def env(self) -> dict[str, str]:
        """Return the environment."""
        return self.service.env(self.home)

    @property
    def state(self) -> Path:
        """Return the state directory."""
        return self.home / ".local/state/bm-sync"

    @property
    def host(self) -> Host:
        """Return the service."""
        return host_of(None, self.env)

    @property
    def login_file(self) -> Path:
        """Return the file of our own sign-ins."""
        return self.state / "cloud/login.json"

    @property
    def token_file(self) -> Path:
        """Return Basic Memory's token file."""
        return self.home / ".config/basic-memory/basic-memory-cloud.json"

    def run(self, *words: str, stdin: str = "", **env: str) -> Said:
        """Run one command line, without a terminal."""
        return World(self.home).run(*words, stdin=stdin, **{**self.env, **env})

    def signed_in(self) -> None:
        """Sign in by the browser, which somebody has agreed to already."""
        self.service.admin("switch", auto_approve="ada")
        assert self.run("login").code == 0
        self.service.admin("switch", auto_approve="")
        self.service.admin("reset-counts")

    def keep_key(self) -> None:
        """Sign in with an API key, without asking the service."""
        key = ApiKey(Secret(self.service.api_key()), "bm-sync login")
        OwnLogins(self.login_file).write(kept_now(key, self.host, "by the tests"))

    def like_basic_memory(self, **tokens: object) -> None:
        """Sign in as Basic Memory does it: move our tokens into its file."""
        self.signed_in()
        (entry,) = json.loads(self.login_file.read_text())["logins"].values()
        names = ("access_token", "refresh_token", "expires_at", "token_type")
        self.token_file.parent.mkdir(parents=True)
        self.token_file.write_text(json.dumps({**{n: entry[n] for n in names}, **tokens}))
        self.token_file.chmod(0o600)
        self.login_file.unlink()

    def kept(self) -> dict[str, Any]:
        """Return the sign-in that is kept."""
        (entry,) = json.loads(self.login_file.read_text())["logins"].values()
        return dict(entry)

    def end_token(self) -> None:
        """Let the access token have ended a minute ago, here and at the service."""
        self.service.admin("expire-tokens")
        file = self.login_file if self.login_file.exists() else self.token_file
        said = json.loads(file.read_text())
        (said if file == self.token_file else next(iter(said["logins"].values())))["expires_at"] = (
            int(time.time()) - 60
        )
        file.write_text(json.dumps(said))

    def account(self, **env: str) -> Account:
        """Return the account as it is found now."""
        return Account.find(self.host, {**self.env, **env}, self.state)

    def with_key(self) -> Account:
        """Return an account that has an API key."""
        return self.account(BASIC_MEMORY_CLOUD_API_KEY=self.service.api_key())

    def refreshes(self) -> int:
        """Return how often the service was asked for tokens."""
        return self.service.counts().get("oauth", {}).get("POST /oauth2/token", 0)

    def struck(self) -> bool:
        """Return whether every fault that was asked for has struck."""
        return not self.service.look("status")["faults"]


async def asked(
    account: Account, call: Callable[[Cloud], Awaitable[Any]], waits: Waits | None = None
) -> Any:  # noqa: ANN401 - whatever the call returns
    """Return what a call of the service brings."""
    async with Cloud(account.host, account, (waits or Waits()).pace()) as cloud:
        return await call(cloud)


def wait_for(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)  # between two looks at a condition
