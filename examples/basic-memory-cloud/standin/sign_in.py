"""Sign-in: the device authorization grant with PKCE, and the rotation of refresh tokens.

Not known: whether the service checks the client's id, and whether it enforces `interval`. Any id is
taken, the same one has to come again; `slow_down` is answered when it was asked for.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from collections.abc import Mapping

from standin.wire import Answer, Request, as_html, as_json
from standin.world import AccessToken, DeviceCode, RefreshToken, State, World, now, token

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SIGNS = "BCDFGHJKLMNPQRSTVWXZ"


def authorize(world: World, request: Request, url: str) -> Answer:
    """Begin a sign-in."""
    form = request.form()
    if not form.get("client_id"):
        return _error("invalid_client", 401)
    if not form.get("code_challenge") or form.get("code_challenge_method") != "S256":
        return _error("invalid_request")
    with world.changing() as state:
        code = _new_code(state, form)
        state.codes.append(code)
        page = f"{url}/device"
        return as_json(
            200,
            {
                "device_code": code.device_code,
                "user_code": code.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={code.user_code}",
                "interval": state.switches.interval_s,
                "expires_in": state.switches.code_expires_s,
            },
        )


def _new_code(state: State, form: Mapping[str, str]) -> DeviceCode:
    signs = "".join(secrets.choice(_SIGNS) for _ in range(8))
    code = DeviceCode(
        device_code=token("dc_"),
        user_code=f"{signs[:4]}-{signs[4:]}",
        client_id=form["client_id"],
        challenge=form["code_challenge"],
        expires_at=now() + state.switches.code_expires_s,
    )
    if state.switches.auto_approve:
        code.state, code.account = "approved", state.switches.auto_approve
    return code


def give_token(world: World, request: Request) -> Answer:
    """Answer a poll of a sign-in, or a refresh."""
    form = request.form()
    with world.changing() as state:
        if form.get("grant_type") == DEVICE_GRANT:
            return _poll(state, form)
        if form.get("grant_type") == "refresh_token":
            return _refresh(state, form)
    return _error("unsupported_grant_type")


def _poll(state: State, form: Mapping[str, str]) -> Answer:
    found = (c for c in state.codes if c.device_code == form.get("device_code"))
    code = next(found, None)
    if code is None or code.client_id != form.get("client_id"):
        return _error("invalid_grant")
    code.polls += 1
    if why := _not_yet(code):
        return _error(why)
    if challenge_of(form.get("code_verifier", "")) != code.challenge:
        return _error("invalid_grant")
    code.state = "used"
    answer = _new_pair(state, code.account, code.client_id)
    if not state.switches.login_tells_refresh_token:
        del answer["refresh_token"]
    return as_json(200, answer)


def _not_yet(code: DeviceCode) -> str:
    """Return why a code gives no tokens, "" when it does."""
    if code.state == "expired" or (code.state != "used" and now() > code.expires_at):
        return "expired_token"
    if code.slow_downs:
        code.slow_downs -= 1
        return "slow_down"
    whys = {"used": "invalid_grant", "denied": "access_denied", "pending": "authorization_pending"}
    return whys.get(code.state, "")


def _refresh(state: State, form: Mapping[str, str]) -> Answer:
    found = (r for r in state.refresh if r.token == form.get("refresh_token"))
    held = next(found, None)
    if held is None or held.client_id != form.get("client_id"):
        return _error("invalid_grant")
    if held.retired_at is not None:
        if now() - held.retired_at > state.switches.refresh_grace_s:
            return _error("invalid_grant")
        return as_json(200, held.answered)
    if not state.switches.refresh_tells_token:
        access = _new_access(state, held.account)
        return as_json(200, _pair(state, access))
    answer = _new_pair(state, held.account, held.client_id)
    held.retired_at, held.answered = now(), answer
    return as_json(200, answer)


def _new_pair(state: State, account: str, client_id: str) -> dict[str, object]:
    refresh = RefreshToken(token("rt_"), account, client_id)
    state.refresh.append(refresh)
    return _pair(state, _new_access(state, account)) | {"refresh_token": refresh.token}


def _new_access(state: State, account: str) -> AccessToken:
    access = AccessToken(token("at_"), account, now() + state.switches.access_token_s)
    state.access.append(access)
    return access


def _pair(state: State, access: AccessToken) -> dict[str, object]:
    expires_in = state.switches.access_token_s
    return {"access_token": access.token, "token_type": "Bearer", "expires_in": expires_in}


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def decide(world: World, user_code: str, verdict: str, account: str) -> DeviceCode | None:
    """Approve, deny or expire a sign-in, the newest that waits when no code is given."""
    with world.changing() as state:
        waiting = [c for c in state.codes if c.state == "pending"]
        found = [c for c in waiting if user_code in {"", c.user_code}]
        if not found:
            return None
        found[-1].state, found[-1].account = verdict, account
        return found[-1]


def page(world: World, request: Request) -> Answer:
    """Show the page where a person approves a sign-in, and take the answer."""
    said = request.form() if request.method == "POST" else request.query
    code, verdict = said.get("user_code", ""), said.get("verdict", "")
    if verdict in {"approved", "denied"} and code:
        found = decide(world, code, verdict, said.get("account", "ada"))
        text = f"The sign-in is {verdict}." if found else "No sign-in waits under this code."
        return as_html(200 if found else 404, f"<!doctype html><p>{text}</p>")
    accounts = "".join(f"<option>{html.escape(a)}</option>" for a in world.state.defaults)
    return as_html(
        200,
        "<!doctype html><title>Stand-in</title><h1>Sign in to the stand-in</h1><form method=post>"
        f"<p>Code <input name=user_code value='{html.escape(code, quote=True)}'></p>"
        f"<p>Account <select name=account>{accounts}</select></p>"
        "<button name=verdict value=approved>Approve</button> "
        "<button name=verdict value=denied>Deny</button></form>",
    )


def _error(code: str, status: int = 400) -> Answer:
    return as_json(status, {"error": code, "error_description": f"The answer is {code}"})
