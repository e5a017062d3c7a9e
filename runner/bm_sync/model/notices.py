"""Who is told what of a run. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from bm_sync.model.config import OptionValue
from bm_sync.model.origin import BUILT_IN, Origin

DAY_S = 86400.0


class News(StrEnum):
    """What there is to tell of a project; the most serious last."""

    CHANGE = "change"
    RECOVERED = "recovered"
    STOP = "stop"
    STALE = "stale"
    ERROR = "error"


TEMPLATE_FACTS = ("title", "text", "event", "host", "run", "exit", "projects")
"""What `${…}` in the body of a webhook may name."""

UNASKED = (News.ERROR, News.STOP, News.RECOVERED, News.STALE)
"""What is told when a target does not say what it wants."""


class Audience(Struct, frozen=True):
    """What a target wants to hear.

    `tags` limit it to projects with one of them; empty is all. A project is stale when it has not
    been in sync for `stale_after_s`. `timeout_s` bounds everything that is done for the target at
    the end of a run.
    """

    news: tuple[News, ...] = UNASKED
    tags: tuple[str, ...] = ()
    stale_after_s: float = 2 * DAY_S
    timeout_s: float = 10.0
    origin: Origin = BUILT_IN


class Ntfy(Struct, frozen=True):
    """A topic of an ntfy server; `url` ends in its name."""

    url: OptionValue
    token: OptionValue | None
    audience: Audience


class Slack(Struct, frozen=True):
    """An incoming webhook as Slack, Mattermost and Rocket.Chat have it."""

    url: OptionValue
    audience: Audience


class Ping(Struct, frozen=True):
    """A check of healthchecks.io or of a server like it: told of every run, start and end."""

    url: OptionValue
    audience: Audience


class Webhook(Struct, frozen=True):
    """Any address; `body` is a template with `${fact}`, None for the message as JSON."""

    url: OptionValue
    method: str
    headers: tuple[tuple[str, OptionValue], ...]
    content_type: str
    body: str | None
    audience: Audience


class Desktop(Struct, frozen=True):
    """A notification on the desktop, by `notify-send`."""

    audience: Audience


class Email(Struct, frozen=True):
    """A message by this machine's `sendmail`."""

    to: tuple[str, ...]
    sender: str | None
    audience: Audience


Listener = Ntfy | Slack | Webhook | Desktop | Email
Target = Listener | Ping

NAMES: Mapping[type, str] = MappingProxyType(
    {
        Ntfy: "ntfy",
        Slack: "slack",
        Ping: "ping",
        Webhook: "webhook",
        Desktop: "desktop",
        Email: "email",
    }
)


class Item(Struct, frozen=True):
    """One piece of news about one project; `what` is a sentence of one line."""

    project: str
    news: News
    what: str


class Message(Struct, frozen=True):
    """Everything that one target is told of one run."""

    items: tuple[Item, ...]
    host: str
    run: str
    exit: int


class Beat(StrEnum):
    """What a check is told."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
