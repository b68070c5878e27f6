"""Signing in and out with a password, and what a session can do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import delete, text, update

from core.accounts import add_user, remove_user
from core.accounts_schema import sessions
from core.audit import audit_lines
from core.roles import Role
from dashboard.identity import COOKIE
from dashboard.lasting import Lasting
from dashboard.login import own_path
from dashboard.login_limits import ACCOUNT, PAIR, LoginLimits
from tests.dashboard.locked import HIDDEN, PASSWORD, SEEN, Locked, locked_dashboard
from tests.dashboard.test_browser import PHONE
from tests.waiting import wait_until


def sign_in(http: httpx.Client, name: str, password: str, **form: str) -> httpx.Response:
    data = {"name": name, "password": password, **form}
    return http.post("/login", data=data)


def test_a_page_leads_to_the_login_and_back(locked: Locked) -> None:
    with locked.client(headers={"Accept": "text/html"}) as http:
        refused = http.get("/camera?camera=hall")
        form = http.get(refused.headers["location"])
        answer = sign_in(http, "visitor", PASSWORD, next="/camera?camera=hall")
        page = http.get(answer.headers["location"])

    assert refused.status_code == 303
    assert refused.headers["location"] == "/login?next=%2Fcamera%3Fcamera%3Dhall"
    assert 'value="/camera?camera=hall"' in form.text
    assert answer.headers["location"] == "/camera?camera=hall"
    assert page.status_code == 200


def test_the_cookie_is_for_the_server_only(locked: Locked) -> None:
    with locked.client() as http:
        cookie = sign_in(http, "visitor", PASSWORD).headers["set-cookie"]
    with locked.client(headers={"X-Forwarded-Proto": "https"}) as http:
        encrypted = sign_in(http, "visitor", PASSWORD).headers["set-cookie"]

    assert cookie.startswith(f"{COOKIE}=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert "Secure" not in cookie
    assert "Secure" in encrypted


def test_wrong_name_and_wrong_password_look_the_same(locked: Locked) -> None:
    with locked.client() as http:
        answers = [
            sign_in(http, "watcher", "not the password"),
            sign_in(http, "nobody-here", PASSWORD),
            sign_in(http, "<b>", PASSWORD),
        ]

    assert [answer.status_code for answer in answers] == [401] * 3
    assert all("User name or password is wrong." in answer.text for answer in answers)
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert "<b>" not in answers[2].text


def test_a_session_is_a_new_one_whatever_the_browser_had(locked: Locked) -> None:
    with locked.browser("guard") as http:
        first = http.cookies[COOKIE]
        sign_in(http, "visitor", PASSWORD)
        second = http.cookies[COOKIE]
        http.cookies.delete(COOKIE)
        old = http.get("/api/v1/cameras", headers={"Cookie": f"{COOKIE}={first}"})
        new = http.get("/api/v1/cameras", headers={"Cookie": f"{COOKIE}={second}"})

    assert first != second
    assert (old.status_code, new.status_code) == (401, 200)


def test_signing_out_ends_the_session_at_once(locked: Locked) -> None:
    with locked.browser("visitor") as http:
        session = http.cookies[COOKIE]
        assert http.get("/api/v1/cameras").status_code == 200
        assert http.post("/auth/logout").status_code == 303
        assert COOKIE not in http.cookies
        again = http.get("/api/v1/cameras", headers={"Cookie": f"{COOKIE}={session}"})

    assert again.status_code == 401
    with locked.history.snapshot() as connection:
        assert [line["action"] for line in audit_lines(connection)[:2]] == [
            "signed out",
            "signed in",
        ]


@contextmanager
def without_sessions(site: Locked) -> Iterator[None]:
    """The table of sessions cannot be read in the block."""
    with site.history.transaction() as connection:
        connection.execute(text("ALTER TABLE sessions RENAME TO sessions_away"))
    try:
        yield
    finally:
        with site.history.transaction() as connection:
            connection.execute(text("ALTER TABLE sessions_away RENAME TO sessions"))


def test_without_the_database_nobody_is_told_anything_wrong(locked: Locked) -> None:
    unknown = {"Cookie": f"{COOKIE}=unknown"}
    with locked.browser("visitor") as known, locked.client() as http:
        known.get("/api/v1/cameras")
        with without_sessions(locked):
            remembered = known.post("/auth/logout")
            session = http.get("/auth/session", headers=unknown)
            logout = http.post("/auth/logout", headers={**unknown, "Origin": locked.address})

    assert [each.status_code for each in (remembered, session, logout)] == [503] * 3
    assert session.text == logout.text == "accounts cannot be read at the moment"
    assert remembered.text == "sessions cannot be ended at the moment"


def test_a_change_by_cookie_needs_our_own_origin(locked: Locked) -> None:
    number = locked.feeder.incident(camera=SEEN)
    path = f"/api/v1/incidents/{number}/ack"
    with locked.browser("guard") as http:
        foreign = http.post(path, json={}, headers={"Origin": "https://evil.example"})
        del http.headers["Origin"]
        unknown = http.post(path, json={})
        own = http.post(path, json={}, headers={"Origin": locked.address})

    assert (foreign.status_code, unknown.status_code, own.status_code) == (403, 403, 200)


def test_another_sites_page_signs_nobody_in_or_out(locked: Locked) -> None:
    headers = {"Origin": "https://evil.example"}
    with locked.client() as http:
        data = {"name": "visitor", "password": PASSWORD}
        assert http.post("/login", data=data, headers=headers).status_code == 403
    with locked.browser("visitor") as http:
        assert http.post("/auth/logout", headers=headers).status_code == 403
        assert http.get("/api/v1/cameras").status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example",
        "javascript:x", "/\t/evil.example", "http:evil", "", "evil", "/login?next=/",
        "/auth/logout", "/\x00", "///e",
    ],
)  # fmt: skip
def test_the_login_leads_nowhere_else(elsewhere: str) -> None:
    assert own_path(elsewhere) == "/"


def test_the_page_says_who_is_signed_in_and_in_which_language(locked: Locked) -> None:
    with locked.browser("guard") as http:
        english = http.get("/login").text
        http.cookies.set("headcount_language", "ko")
        korean = http.get("/login").text

    assert "Signed in as guard, operator." in english
    assert "guard (운영자)" in korean
    assert 'lang="ko"' in korean


def test_the_login_page_speaks_the_other_language(locked: Locked) -> None:
    with locked.client(follow_redirects=True) as http:
        english = http.get("/login?next=/incidents")
        korean = http.get("/login?language=ko&next=/incidents")

    assert 'href="/login?language=ko&amp;next=%2Fincidents"' in english.text
    assert 'lang="ko"' in korean.text
    assert "비밀번호" in korean.text
    assert 'value="/incidents"' in korean.text


def test_a_session_that_nobody_uses_ends(locked: Locked) -> None:
    with locked.browser("visitor") as http:
        assert http.get("/api/v1/cameras").status_code == 200
        with locked.history.transaction() as connection:
            connection.execute(update(sessions).values(seen_at=sessions.c.seen_at - 13 * 3_600_000))
        wait_until(lambda: http.get("/api/v1/cameras").status_code == 401, every_s=0.2)


def test_asking_whether_one_is_signed_in_is_no_use(locked: Locked) -> None:
    with locked.browser("visitor") as http, locked.client() as nobody:
        assert http.get("/auth/session").json() == {
            "signed_in": True, "name": "visitor", "role": "viewer",
        }  # fmt: skip
        assert nobody.get("/auth/session").json() == {"signed_in": False}


def test_a_removed_users_stream_ends(locked: Locked) -> None:
    with locked.history.transaction() as connection:
        add_user(connection, "leaver", PASSWORD, Role.VIEWER, None, 0)
    with locked.browser("leaver") as http, http.stream("GET", "/api/v1/events") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        with locked.history.transaction() as connection:
            remove_user(connection, "leaver")
        for _ in lines:  # ends by itself
            pass
        assert http.get("/api/v1/cameras").status_code == 401


def test_a_users_stream_starts_anew_when_its_cameras_change(locked: Locked) -> None:
    with locked.history.transaction() as connection:
        add_user(connection, "mover", PASSWORD, Role.VIEWER, None, 0)
    with locked.program("chief") as chief, locked.browser("mover") as http:
        assert chief.get("/api/v1/cameras").status_code == 200
        with http.stream("GET", f"/live/{HIDDEN}.mjpg") as answer:
            parts = answer.iter_raw()
            assert b"image/jpeg" in next(parts)
            with locked.history.transaction() as connection:
                add_user(connection, "mover", PASSWORD, Role.VIEWER, [SEEN], 0, replace=True)
            for _ in parts:
                pass
        assert http.get(f"/live/{HIDDEN}.mjpg").status_code == 401  # its sessions have ended


def websocket_end(rights: list[bool]) -> list[str]:
    """What a WebSocket's client is sent when the rights end while the application waits."""
    sent: list[str] = []

    async def application(scope: object, receive: object, send: object) -> None:
        await send({"type": "websocket.accept"})  # type: ignore[operator]
        while (await receive())["type"] != "websocket.disconnect":  # type: ignore[operator]
            pass
        await send({"type": "websocket.send", "text": "too late"})  # type: ignore[operator]

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0)
        return {"type": "websocket.receive", "text": "busy"}  # never a moment of quiet

    async def send(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))

    async def same_rights() -> bool:
        return rights.pop(0)

    lasting = Lasting(application, same_rights)  # type: ignore[arg-type]
    asyncio.run(lasting({"type": "websocket"}, receive, send))  # type: ignore[arg-type]
    return sent


def test_a_websocket_ends_with_its_rights_however_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.lasting.RECHECK_S", 0.01)

    assert websocket_end([True, True, False]) == ["websocket.accept", "websocket.close"]


def test_failures_slow_an_account_down_and_a_success_clears_them() -> None:
    now = [0.0]
    limits = LoginLimits(lambda: now[0])

    waits = [limits.attempt("kim", "10.0.0.1") for _ in range(4)]
    assert waits == [0, 0, 0, 1.0]
    assert limits.attempt("kim", "10.0.0.2") == 0  # from elsewhere not yet
    now[0] = 1.0
    assert limits.attempt("kim", "10.0.0.1") == 0
    limits.succeeded("kim", "10.0.0.1")
    assert limits.attempt("kim", "10.0.0.1") == 0


def test_nobody_is_locked_out_for_good() -> None:
    now = [0.0]
    limits = LoginLimits(lambda: now[0])
    for _ in range(5000):
        wait_s = limits.attempt("kim", f"10.0.{now[0] % 250:.0f}.1")
        now[0] += max(wait_s, 0.1)

    assert limits.attempt("kim", "192.168.1.1") <= ACCOUNT.longest_s
    for _ in range(200):
        now[0] += limits.attempt("lee", "10.9.9.9")
    assert limits.attempt("lee", "10.9.9.9") <= PAIR.longest_s


def test_one_address_cannot_try_many_names_and_takes_no_memory() -> None:
    limits = LoginLimits(lambda: 0.0)

    waits = [limits.attempt(f"name-{number}", "2001:db8::1") for number in range(50)]

    assert waits[:20] == [0.0] * 20
    assert all(wait > 0 for wait in waits[20:])
    assert limits.attempt("other", "2001:db8::2") > 0  # the same customer's network
    for number in range(30_000):
        limits.attempt("kim", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limits._failures) <= 10_000


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """A dashboard of its own, because failures count for everybody on this address."""
    with locked_dashboard(tmp_path_factory.mktemp("slow")) as running:
        yield running


def test_many_failures_get_a_sentence_and_a_time(slow: Locked) -> None:
    with slow.client() as http:
        answers = [sign_in(http, "visitor", f"wrong password {n}") for n in range(3)]
        while answers[-1].status_code == 401:  # a slow machine needs a longer wait: the next
            answers.append(sign_in(http, "visitor", f"wrong password {len(answers)}"))
        right = sign_in(http, "visitor", PASSWORD)

    assert [answer.status_code for answer in answers[:3]] == [401, 401, 401]
    assert answers[-1].status_code == 429
    assert right.status_code == 429  # neither is a right one tried
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "Too many attempts" in answers[-1].text
    wait_until(lambda: signs_in(slow), every_s=0.3)


def signs_in(site: Locked) -> bool:
    with site.client() as http:
        return sign_in(http, "visitor", PASSWORD).status_code == 303


def test_many_attempts_at_once_gain_nothing(slow: Locked) -> None:
    found: list[int] = []

    def attempt() -> None:
        with slow.client() as http:
            found.append(sign_in(http, "guard", "wrong password").status_code)

    threads = [Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(found) == {401, 429}
    assert 3 <= found.count(401) <= 4  # a fourth where a thread was a second late


def test_a_form_without_end_is_refused(locked: Locked) -> None:
    with locked.client() as http:
        answer = http.post("/login", content=b"name=" + b"x" * 20_000)
        many = http.post("/login", content="&".join(f"a{n}=1" for n in range(50)))

    assert (answer.status_code, many.status_code) == (400, 400)


def test_a_person_signs_in_and_out(browser, locked: Locked) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context(viewport=PHONE, color_scheme="light")
    page = context.new_page()
    errors: list[str] = []
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else 0
    )
    page.goto(locked.address + "/incidents")
    expect(page.get_by_role("heading", name="Central Station")).to_be_visible()
    page.get_by_label("User name").fill("visitor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/incidents")
    page.goto(locked.address + "/")
    expect(page.get_by_text("Main hall").first).to_be_visible(timeout=20_000)
    assert page.get_by_text("Vault 7").count() == 0
    assert errors == []
    expect(page.get_by_role("link", name="visitor")).to_have_attribute("href", "/login")
    page.goto(locked.address + "/login")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert json.loads(page.request.get(locked.address + "/auth/session").text()) == {
        "signed_in": False
    }
    context.close()


def test_an_admin_reads_who_did_what(browser, locked: Locked) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context()
    page = context.new_page()
    page.goto(locked.address + "/setup")
    page.get_by_label("User name").fill("chief")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Who did what").click(timeout=20_000)
    expect(page.get_by_role("cell", name="signed in").first).to_be_visible()
    context.close()


def test_an_open_page_leads_to_the_login_when_the_session_ends(browser, locked: Locked) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context()
    page = context.new_page()
    page.goto(locked.address + "/system")
    page.get_by_label("User name").fill("guard")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="guard")).to_be_visible(timeout=20_000)
    with locked.history.transaction() as connection:
        connection.execute(delete(sessions))
    page.wait_for_url("**/login?next=%2Fsystem", timeout=30_000)
    context.close()


def test_no_page_of_the_login_loads_anything_else(locked: Locked) -> None:
    with locked.client() as http:
        answer = http.get("/login")

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "<script" not in answer.text
    assert Path(answer.url.path).name == "login"
