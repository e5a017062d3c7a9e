"""The stand-in of the cloud speaks the contract that bm-sync is held to."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import standin_server
from standin_server import Standin

from bm_sync.rclone.binary import find
from bm_sync.structs import replace

CLIENT = "client_of_the_tests"
VERIFIER = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
PROJECTS = "/proxy/v2/projects/"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Standin]:
    with standin_server.running(tmp_path / "cloud") as found:
        yield found


@dataclass(frozen=True)
class User:
    """Somebody with a credential; `at` names a workspace other than the default."""

    host: str
    credential: str
    at: str = ""

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: object = None,
        within_s: float = 60.0,
    ) -> httpx.Response:
        said = {"Authorization": f"Bearer {self.credential}", **(headers or {})}
        said |= {"X-Workspace-ID": self.at} if self.at else {}
        options = httpx.Timeout(within_s)
        url = f"{self.host}{path}"
        with httpx.Client(headers=said, timeout=options, trust_env=False) as http:
            if isinstance(body, bytes):
                return http.request(method, url, content=body)
            return http.request(method, url, json=body)

    def create(self, name: str) -> httpx.Response:
        body = {"name": name, "path": name.lower().replace(" ", "-")}
        return self.ask("POST", PROJECTS, body=body)


def user(cloud: Standin, credential: str) -> User:
    return User(cloud.host, credential)


@pytest.fixture
def ada(cloud: Standin) -> User:
    return user(cloud, cloud.api_key())


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def begin(cloud: Standin, **changed: str) -> httpx.Response:
    form = {"client_id": CLIENT, "scope": "openid", "code_challenge": CHALLENGE}
    form |= {"code_challenge_method": "S256"} | changed
    return httpx.post(f"{cloud.host}/oauth2/device_authorization", data=form, trust_env=False)


def ask_token(cloud: Standin, **form: str) -> httpx.Response:
    said = {"client_id": CLIENT, **form}
    return httpx.post(f"{cloud.host}/oauth2/token", data=said, trust_env=False)


def poll(cloud: Standin, code: str, verifier: str = VERIFIER) -> httpx.Response:
    return ask_token(cloud, grant_type=DEVICE, device_code=code, code_verifier=verifier)


def refresh(cloud: Standin, token: str) -> httpx.Response:
    return ask_token(cloud, grant_type="refresh_token", refresh_token=token)


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


def signed_in(cloud: Standin) -> dict[str, str]:
    code = begin(cloud).json()["device_code"]
    cloud.admin("approve")
    found: dict[str, str] = poll(cloud, code).json()
    return found


def test_a_sign_in_waits_slows_down_and_gives_tokens_once(cloud: Standin) -> None:
    begun = begin(cloud).json()
    code = begun["device_code"]
    assert begun["verification_uri_complete"].endswith(begun["user_code"])
    assert said(poll(cloud, code)) == (400, "authorization_pending")
    cloud.admin("slow-down", times=1)
    assert said(poll(cloud, code)) == (400, "slow_down")
    cloud.admin("approve", user_code=begun["user_code"])
    given = poll(cloud, code).json()
    assert {"access_token", "refresh_token", "token_type", "expires_in"} <= set(given)
    assert said(poll(cloud, code)) == (400, "invalid_grant")
    assert user(cloud, given["access_token"]).ask("GET", "/proxy/health").status_code == 200


@pytest.mark.parametrize(
    ("verdict", "error"), [("deny", "access_denied"), ("expire", "expired_token")]
)
def test_a_sign_in_ends_when_it_is_denied_or_expires(
    cloud: Standin, verdict: str, error: str
) -> None:
    code = begin(cloud).json()["device_code"]
    cloud.admin(verdict)
    assert said(poll(cloud, code)) == (400, error)


def test_a_sign_in_needs_a_challenge_and_the_verifier_of_it(cloud: Standin) -> None:
    assert said(begin(cloud, code_challenge="")) == (400, "invalid_request")
    assert said(begin(cloud, code_challenge_method="plain")) == (400, "invalid_request")
    code = begin(cloud).json()["device_code"]
    cloud.admin("approve")
    assert said(poll(cloud, code, "another verifier")) == (400, "invalid_grant")
    assert poll(cloud, code).status_code == 200


def test_a_person_approves_on_the_page(cloud: Standin) -> None:
    begun = begin(cloud).json()
    page = httpx.get(begun["verification_uri_complete"], trust_env=False)
    assert begun["user_code"] in page.text
    form = {"user_code": begun["user_code"], "account": "grace", "verdict": "approved"}
    assert httpx.post(begun["verification_uri"], data=form, trust_env=False).status_code == 200
    token = poll(cloud, begun["device_code"]).json()["access_token"]
    workspaces = user(cloud, token).ask("GET", "/workspaces/").json()
    assert workspaces["default_workspace_id"] == cloud.tenant("grace")


def test_a_refresh_token_is_retired_by_its_use_and_replayed_for_a_while(cloud: Standin) -> None:
    first = signed_in(cloud)
    second = refresh(cloud, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert refresh(cloud, first["refresh_token"]).json() == second
    cloud.admin("switch", refresh_grace_s=0)
    assert said(refresh(cloud, first["refresh_token"])) == (400, "invalid_grant")
    assert refresh(cloud, second["refresh_token"]).status_code == 200


def test_a_refresh_may_tell_no_new_token_and_then_the_old_one_stays_good(cloud: Standin) -> None:
    first = signed_in(cloud)
    cloud.admin("switch", refresh_tells_token=False)
    assert "refresh_token" not in refresh(cloud, first["refresh_token"]).json()
    assert refresh(cloud, first["refresh_token"]).status_code == 200
    cloud.admin("revoke-refresh")
    assert said(refresh(cloud, first["refresh_token"])) == (400, "invalid_grant")


def test_an_expired_token_is_refused_and_a_key_is_made_by_a_person_only(cloud: Standin) -> None:
    person = user(cloud, signed_in(cloud)["access_token"])
    key = person.ask("POST", "/api/keys", body={"name": "laptop"}).json()["key"]
    assert key.startswith("bmc_")
    assert user(cloud, key).ask("GET", "/proxy/health").status_code == 200
    assert user(cloud, key).ask("POST", "/api/keys", body={"name": "more"}).status_code == 403
    cloud.admin("expire-tokens")
    refused = person.ask("GET", "/proxy/health")
    assert (refused.status_code, set(refused.json())) == (401, {"detail"})


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_an_ended_subscription_is_told_on_every_call(cloud: Standin, ada: User, shape: str) -> None:
    cloud.admin("subscription", active=False, shape=shape)
    reads = ("/proxy/health", "/workspaces/", "/tenant/mount/info", PROJECTS)
    calls = [("GET", path) for path in reads]
    for method, path in [*calls, ("POST", "/tenant/mount/credentials"), ("PROPFIND", "/webdav/x")]:
        answer = ada.ask(method, path)
        told = answer.json()["detail"] if shape == "nested" else answer.json()
        assert (answer.status_code, told["error"]) == (403, "subscription_required")


def test_workspaces_are_told_with_role_and_only_their_members_get_in(
    cloud: Standin, ada: User
) -> None:
    told = ada.ask("GET", "/workspaces/").json()
    roles = {w["slug"]: (w["workspace_type"], w["role"]) for w in told["workspaces"]}
    assert roles == {
        "ada": ("personal", "owner"),
        "team": ("organization", "editor"),
        "library": ("organization", "viewer"),
        "studio": ("organization", "owner"),
    }
    others = replace(ada, at=cloud.tenant("grace")).ask("GET", "/tenant/mount/info")
    assert others.status_code == 403


def test_only_the_owner_of_a_workspace_mints_and_each_time_a_new_pair(
    cloud: Standin, ada: User
) -> None:
    first, second = (ada.ask("POST", "/tenant/mount/credentials").json() for _ in range(2))
    assert first["access_key"] != second["access_key"]
    team = replace(ada, at=cloud.tenant("team"))
    assert team.ask("POST", "/tenant/mount/credentials").status_code == 403
    told = team.ask("GET", "/tenant/mount/info").json()
    assert told == {"tenant_id": cloud.tenant("team"), "bucket_name": cloud.bucket("team").name}


def test_projects_are_created_once_resolved_and_deleted_later(cloud: Standin, ada: User) -> None:
    made = ada.create("My Notes")
    assert (made.status_code, made.json()["new_project"]["path"]) == (201, "/app/data/my-notes")
    assert ada.create("My Notes").status_code == 201
    other = ada.ask("POST", PROJECTS, body={"name": "My Notes", "path": "elsewhere"})
    assert other.status_code == 400
    assert ada.ask("POST", PROJECTS, body={"name": "x"}).status_code == 422
    assert ada.ask("POST", PROJECTS, body={"name": "...", "path": "x"}).status_code == 400
    found = ada.ask("POST", f"{PROJECTS}resolve", body={"identifier": "my-notes"}).json()
    default = ada.ask("DELETE", f"{PROJECTS}{found['external_id']}")
    assert default.status_code == 400
    second = ada.create("Second").json()["new_project"]["external_id"]
    assert ada.ask("PUT", "/webdav/second/a.md", body=b"a").status_code == 201
    gone = ada.ask("DELETE", f"{PROJECTS}{second}?delete_notes=true").json()
    assert gone["file_delete_status"] == "pending"
    names = [p["name"] for p in ada.ask("GET", PROJECTS).json()["projects"]]
    assert names == ["My Notes"]
    deadline = time.monotonic() + 60
    while cloud.files("second"):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks at a condition


def test_a_private_project_is_seen_by_those_who_have_rights(cloud: Standin, ada: User) -> None:
    cloud.admin("add-project", workspace="team", name="hers", private=True)
    cloud.admin("add-project", workspace="team", name="shared", rights={"ada": "viewer"})
    team = replace(ada, at=cloud.tenant("team"))
    names = [p["name"] for p in team.ask("GET", PROJECTS).json()["projects"]]
    assert names == ["shared"]
    assert team.ask("PROPFIND", "/webdav/hers").status_code == 404
    assert team.ask("PROPFIND", "/webdav/shared").status_code == 207
    assert team.ask("PUT", "/webdav/shared/a.md", body=b"a").status_code == 403


def rows(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 207, answer.text
    return re.findall("<D:href>([^<]*)</D:href>", answer.text)


def test_webdav_lists_by_folder_and_all_at_once_as_far_as_it_is_allowed(
    cloud: Standin, ada: User
) -> None:
    ada.create("notes")
    for name in ("a.md", "deep/b%23.md", "deep/er/c.md"):
        assert ada.ask("PUT", f"/webdav/notes/{name}", body=b"x").status_code == 201
    files = ["/webdav/notes/a.md", "/webdav/notes/deep/b%23.md", "/webdav/notes/deep/er/c.md"]
    folders = ["/webdav/notes/", "/webdav/notes/deep/", "/webdav/notes/deep/er/"]
    every = rows(ada.ask("PROPFIND", "/webdav/notes", {"Depth": "infinity"}))
    assert (every[0], sorted(every)) == (folders[0], sorted(files + folders))
    one = rows(ada.ask("PROPFIND", "/webdav/notes/deep", {"Depth": "1"}))
    assert one == [folders[1], files[1], folders[2]]
    cloud.admin("switch", infinite_depth_limit=2)
    refused = ada.ask("PROPFIND", "/webdav/notes", {"Depth": "infinity"})
    assert (refused.status_code, "propfind-finite-depth" in refused.text) == (403, True)
    assert rows(ada.ask("PROPFIND", "/webdav/notes", {"Depth": "0"})) == folders[:1]


def test_webdav_reads_ranges_and_honours_conditions(cloud: Standin, ada: User) -> None:
    ada.create("notes")
    file = "/webdav/notes/a.md"
    made = ada.ask("PUT", file, headers={"If-None-Match": "*"}, body=b"hello")
    assert (made.status_code, made.headers["ETag"]) == (
        201,
        f'"{md5(b"hello")}"',
    )
    assert ada.ask("PUT", file, headers={"If-None-Match": "*"}, body=b"other").status_code == 412
    assert ada.ask("PUT", file, headers={"If-Match": '"no"'}, body=b"other").status_code == 412
    assert ada.ask("GET", file, {"Range": "bytes=1-2"}).content == b"el"
    assert ada.ask("GET", file, {"Range": "bytes=9-"}).status_code == 416
    assert ada.ask("GET", file, {"If-None-Match": made.headers["ETag"]}).status_code == 304
    held = {"If-Match": made.headers["ETag"]}
    assert ada.ask("PUT", file, held, body=b"other").status_code == 204
    assert ada.ask("DELETE", file, held).status_code == 412
    cloud.admin("switch", honours_if_match=False)
    assert ada.ask("PUT", file, held, body=b"third").status_code == 204
    assert cloud.files() == {"notes/a.md": b"third"}


def test_webdav_moves_copies_makes_folders_and_deletes_unless_it_is_switched_off(
    cloud: Standin, ada: User
) -> None:
    ada.create("notes")
    ada.ask("PUT", "/webdav/notes/a/1.md", body=b"one")
    to = f"{cloud.host}/webdav/notes"
    assert ada.ask("MKCOL", "/webdav/notes/new").status_code == 201
    assert ada.ask("MKCOL", "/webdav/notes/no/new").status_code == 409
    assert ada.ask("COPY", "/webdav/notes/a/1.md", {"Destination": f"{to}/b.md"}).status_code == 201
    taken = {"Destination": f"{to}/b.md", "Overwrite": "F"}
    assert ada.ask("MOVE", "/webdav/notes/a/1.md", taken).status_code == 412
    assert ada.ask("MOVE", "/webdav/notes/a", {"Destination": f"{to}/c"}).status_code == 201
    assert set(cloud.files()) == {"notes/b.md", "notes/c/1.md"}
    assert ada.ask("DELETE", "/webdav/notes/c").status_code == 204
    assert ada.ask("DELETE", "/webdav/notes/c").status_code == 404
    cloud.admin("switch", refused={"DELETE": 405, "MKCOL": 501, "MOVE": 405, "COPY": 501})
    assert ada.ask("DELETE", "/webdav/notes/b.md").status_code == 405
    assert ada.ask("MKCOL", "/webdav/notes/d").status_code == 501
    assert ada.ask("MOVE", "/webdav/notes/b.md", {"Destination": f"{to}/e"}).status_code == 405
    assert ada.ask("COPY", "/webdav/notes/b.md", {"Destination": f"{to}/e"}).status_code == 501
    assert set(cloud.files()) == {"notes/b.md"}


def test_webdav_lets_nobody_out_of_a_project(cloud: Standin, ada: User) -> None:
    ada.create("notes")
    ada.create("other")
    for path in ("/webdav/notes/%2e%2e/x", "/webdav/notes/a%2f..%2f..%2fx", "/webdav/notes//x"):
        assert ada.ask("PUT", path, body=b"x").status_code == 400
    ada.ask("PUT", "/webdav/notes/a.md", body=b"x")
    to = {"Destination": f"{cloud.host}/webdav/other/a.md"}
    assert ada.ask("COPY", "/webdav/notes/a.md", to).status_code == 403


@pytest.mark.parametrize("etags", ["multipart", "weak", "opaque", "none"])
def test_webdav_tells_other_entity_tags_on_demand(cloud: Standin, ada: User, etags: str) -> None:
    cloud.admin("switch", etags=etags)
    ada.create("notes")
    told = ada.ask("PUT", "/webdav/notes/a.md", body=b"x").headers.get("ETag")
    assert told != f'"{md5(b"x")}"'
    assert (told is None) is (etags == "none")


def test_the_time_of_a_file_is_when_it_landed_unless_that_is_switched(
    cloud: Standin, ada: User
) -> None:
    ada.create("notes")
    began = time.time()
    then = {"X-OC-Mtime": "1700000000"}
    ada.ask("PUT", "/webdav/notes/a.md", then, body=b"x")
    cloud.admin("switch", honours_mtime=True)
    ada.ask("PUT", "/webdav/notes/b.md", then, body=b"x")
    top = cloud.bucket() / "notes"
    assert (top / "a.md").stat().st_mtime > began - 10
    assert (top / "b.md").stat().st_mtime == 1_700_000_000


@dataclass(frozen=True)
class Store:
    """The object store, reached by the real rclone."""

    cloud: Standin
    env: dict[str, str]
    root: str

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        rclone = str(find(None, os.environ).path)
        command = [rclone, *words, "--retries=1", "--low-level-retries=1"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)


@pytest.fixture
def store(cloud: Standin, ada: User, tmp_path: Path) -> Store:
    keys = ada.ask("POST", "/tenant/mount/credentials").json()
    options = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": cloud.storage,
        "REGION": "auto",
        "ACCESS_KEY_ID": keys["access_key"],
        "SECRET_ACCESS_KEY": keys["secret_key"],
        "NO_CHECK_BUCKET": "true",
    }
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RCLONE_CONFIG": os.devnull}
    env |= {f"RCLONE_CONFIG_STORE_{name}": value for name, value in options.items()}
    return Store(cloud, env, f"store:{cloud.bucket().name}")


def test_s3_and_webdav_show_the_same_files(
    cloud: Standin, ada: User, store: Store, tmp_path: Path
) -> None:
    ada.create("notes")
    source = tmp_path / "ü (1)+&.md"
    source.write_text("by s3")
    header = ("--header", "X-Tigris-Consistent: true")
    assert store.run("copy", str(source), f"{store.root}/notes", *header).returncode == 0
    path = "/webdav/notes/%C3%BC%20%281%29%2B%26.md"
    assert ada.ask("GET", path).content == b"by s3"
    ada.ask("PUT", path, body=b"by webdav")
    ada.ask("PUT", "/webdav/notes/new/b.md", body=b"b")
    cloud.put("notes/by-another.md", "c")
    shown = store.run("lsf", "-R", "--files-only", f"{store.root}/notes", *header).stdout
    assert set(shown.splitlines()) == {source.name, "new/b.md", "by-another.md"}
    assert store.run("cat", f"{store.root}/notes/{source.name}", *header).stdout == "by webdav"
    counts = cloud.counts()
    assert counts["storage"]["PUT"] == 1
    assert counts["storage"]["LIST"] >= 1
    assert counts["storage_without_consistency"] == {}
    assert store.run("lsf", store.root).returncode == 0
    assert cloud.counts()["storage_without_consistency"] == {"LIST": 1}


def test_the_object_store_admits_minted_keys_and_their_bucket_only(
    cloud: Standin, store: Store
) -> None:
    assert store.run("lsf", store.root).returncode == 0
    other = store.run("lsf", f"store:{cloud.bucket('team').name}")
    assert "AccessDenied" in other.stderr
    forged = Store(cloud, {**store.env, "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": "x"}, store.root)
    assert "SignatureDoesNotMatch" in forged.run("lsf", store.root).stderr
    cloud.admin("revoke-storage-keys", workspace="ada")
    assert "InvalidAccessKeyId" in store.run("lsf", store.root).stderr


def test_a_conditional_upload_is_refused_where_its_condition_does_not_hold(
    cloud: Standin, store: Store, tmp_path: Path
) -> None:
    cloud.put("notes/a.md", "theirs")
    source = tmp_path / "a.md"
    source.write_text("mine")
    to = f"{store.root}/notes/a.md"
    create = ("copyto", str(source), to, "--header-upload", "If-None-Match: *")
    assert "PreconditionFailed" in store.run(*create).stderr
    etag = md5(b"theirs")
    replace = ("copyto", str(source), to, "--header-upload", f'If-Match: "{etag}"')
    assert store.run(*replace).returncode == 0
    assert cloud.files() == {"notes/a.md": b"mine"}


def test_a_file_of_many_parts_arrives_whole(cloud: Standin, store: Store, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_text(os.urandom(5_500_000).hex())
    parts = ("--s3-upload-cutoff=5M", "--s3-chunk-size=5M")
    assert store.run("copy", str(source), f"{store.root}/notes", *parts).returncode == 0
    assert cloud.files() == {"notes/big.bin": source.read_bytes()}
    part = store.run("cat", f"{store.root}/notes/big.bin", "--offset=6000000", "--count=3")
    assert part.stdout == source.read_text()[6_000_000:6_000_003]


def test_faults_strike_what_they_name_as_often_as_they_should(cloud: Standin, ada: User) -> None:
    cloud.admin("fault", path="/workspaces", status=503, after=1, times=2)
    codes = [ada.ask("GET", "/workspaces/").status_code for _ in range(4)]
    assert codes == [200, 503, 503, 200]
    assert ada.ask("GET", "/proxy/health").status_code == 200
    cloud.admin("fault", path="/proxy", kind="html", status=200)
    assert "text/html" in ada.ask("GET", "/proxy/health").headers["Content-Type"]
    cloud.admin("fault", server="webdav", status=429, retry_after="2")
    assert ada.ask("PROPFIND", "/webdav/x").headers["Retry-After"] == "2"
    cloud.admin("fault", server="webdav", status=429, retry_after_date_s=5)
    assert ada.ask("PROPFIND", "/webdav/x").headers["Retry-After"].endswith("GMT")
    cloud.admin("fault", path="/proxy/health", kind="reset")
    with pytest.raises(httpx.TransportError):
        ada.ask("GET", "/proxy/health")
    cloud.admin("fault", path="/proxy/health", kind="stall")
    with pytest.raises(httpx.TimeoutException):
        ada.ask("GET", "/proxy/health", within_s=0.2)
    cloud.admin("clear-faults")
    assert ada.ask("GET", "/proxy/health").status_code == 200


def test_the_record_tells_what_was_asked_and_no_credential(cloud: Standin, ada: User) -> None:
    tenant = cloud.tenant("studio")
    replace(ada, at=tenant).ask("GET", "/tenant/mount/info")
    (seen,) = cloud.look("log")
    assert (seen["kind"], seen["status"]) == ("GET /tenant/mount/info", 200)
    assert (seen["workspace"], seen["bearer"]) == (tenant, "key")
    assert "bmc_" not in str(seen)
    assert cloud.take()["control"] == {"GET /tenant/mount/info": 1}
    assert cloud.calls("control") == 0


def test_snapshots_keep_a_bucket_and_bring_files_back(cloud: Standin, ada: User) -> None:
    ada.create("notes")
    cloud.put("notes/a.md", "first")
    made = ada.ask("POST", "/api/bucket-snapshots", body={"description": "before"}).json()
    cloud.put("notes/a.md", "second")
    base = f"/api/bucket-snapshots/{made['id']}"
    assert ada.ask("GET", f"{base}/browse?prefix=notes").json()["files"][0]["size"] == 5
    restored = ada.ask("POST", f"{base}/restore", body={"path": "notes"}).json()
    assert restored["restored"] == ["notes/a.md"]
    assert cloud.files() == {"notes/a.md": b"first"}
    assert ada.ask("DELETE", base).status_code == 204
    assert ada.ask("GET", "/api/bucket-snapshots").json()["total"] == 0


def test_a_stand_in_that_is_started_again_goes_on(tmp_path: Path) -> None:
    with standin_server.running(tmp_path, interval_s=1) as cloud:
        key = cloud.api_key()
        user(cloud, key).create("notes")
        cloud.put("notes/a.md", "kept")
        ports = [int(url.rpartition(":")[2]) for url in (cloud.host, cloud.storage)]
    with standin_server.running(tmp_path, port=ports[0], s3_port=ports[1]) as again:
        assert (again.host, again.storage) == (cloud.host, cloud.storage)
        assert user(again, key).ask("GET", "/webdav/notes/a.md").content == b"kept"
        assert again.look("status")["switches"]["interval_s"] == 1


def is_alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}  # in a container a dead orphan may stay for ever


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_s3_server_dies_with_a_stand_in_that_is_killed(tmp_path: Path) -> None:
    with standin_server.running(tmp_path) as cloud:
        children = Path(f"/proc/{cloud.pid}/task/{cloud.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(cloud.pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while is_alive(children[0]):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # between two looks at a condition
