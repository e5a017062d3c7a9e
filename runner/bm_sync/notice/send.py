"""Tells one target, within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import assert_never

from bm_sync.errors import NoticeError, SecretError
from bm_sync.model.config import OptionValue
from bm_sync.model.notices import (
    Beat,
    Desktop,
    Email,
    Listener,
    Message,
    Ntfy,
    Ping,
    Slack,
    Webhook,
)
from bm_sync.secret import Secret, resolve


class Sender:
    """Tells targets; `secrets` are those that it has read so far, to be kept out of texts."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.secrets: list[Secret] = []

    async def tell(self, target: Listener, message: Message) -> str | None:
        """Tell a target; return why it could not be told, None when it was."""
        return await _within(target.audience.timeout_s, self._told(target, message))

    async def beat(
        self, target: Ping, beat: Beat, said: str, *, spent_s: float = 0.0
    ) -> str | None:
        """Tell a check that a run starts, went well or failed; return as `tell` does.

        `spent_s` of its time are gone already.
        """
        limit_s = max(0.0, target.audience.timeout_s - spent_s)
        return await _within(limit_s, self._pinged(target, beat, said))

    async def _told(self, target: Listener, message: Message) -> None:
        match target:
            case Desktop():
                from bm_sync.notice import programs

                await programs.show(message, self._env)
            case Email():
                from bm_sync.notice import programs

                await programs.mail(target, message, self._env)
            case Ntfy() | Slack() | Webhook():
                from bm_sync.notice.http import post, request

                await post(request(target, message, self._reveal), target.audience.timeout_s)
            case _:
                assert_never(target)

    async def _pinged(self, target: Ping, beat: Beat, said: str) -> None:
        from bm_sync.notice.http import ping, post

        await post(ping(target, beat, said, self._reveal), target.audience.timeout_s)

    def _reveal(self, value: OptionValue) -> str:
        """Return a value; blanks around it, such as the newline of a file, are no part of it."""
        secret = Secret(value) if isinstance(value, str) else resolve(value, self._env)
        self.secrets.append(secret)
        return secret.reveal().strip()


async def _within(limit_s: float, telling: Coroutine[object, object, None]) -> str | None:
    try:
        async with asyncio.timeout(limit_s):
            await telling
    except TimeoutError:
        return f"it took longer than {limit_s:g} s"
    except NoticeError as e:
        return str(e)
    except SecretError as e:
        return e.what
    return None
