"""Signing in at a real OpenID Connect provider, and everything that must not let anybody in."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest

from core.access_settings import OidcRole, OidcSettings
from core.audit import audit_lines
from core.roles import Role, Viewer
from dashboard.oidc import viewer_of_claims
from tests.dashboard.locked import HIDDEN, SEEN, Locked, locked_dashboard
from tests.dashboard.provider import Provider, running_provider

ROLES = [
    {"group": "cctv-admins", "role": "admin"},
    {"group": "hall-staff", "role": "operator", "cameras": [SEEN]},
]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    oidc = {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "roles": ROLES,
    }
    folder = tmp_path_factory.mktemp("oidc")
    with locked_dashboard(folder, access={"login": "oidc", "oidc": oidc}) as running:
        yield running


@pytest.fixture(autouse=True)
def honest(provider: Provider) -> None:
    """The provider as it should be."""
    provider.person = {"sub": "1", "email": "kim@example.org", "groups": ["hall-staff"]}
    provider.userinfo = {}
    provider.signs_with_another_key, provider.audience = False, provider.client_id


def go(http: httpx.Client, path: str) -> httpx.Response:
    """Follow redirects as a browser does, to the provider and back."""
    answer = http.get(path)
    for _ in range(5):
        if "location" not in answer.headers:
            break
        answer = http.get(urljoin(str(answer.url), answer.headers["location"]))
    return answer


def test_somebody_signs_in_at_the_provider(site: Locked) -> None:
    with site.client() as http:
        page = http.get("/login?next=/camera?camera=hall")
        answer = go(http, "/auth/login?next=/api/v1/cameras")
        cameras = http.get("/api/v1/cameras").json()
        who = http.get("/auth/session").json()
        hidden = http.get(f"/live/{HIDDEN}.jpg").status_code

    assert "/auth/login?next=%2Fcamera%3Fcamera%3Dhall" in page.text
    assert answer.url.path == "/api/v1/cameras"
    assert [camera["id"] for camera in cameras] == [SEEN]
    assert who == {"signed_in": True, "name": "kim@example.org", "role": "operator"}
    assert hidden == 404
    with site.history.snapshot() as connection:
        line = audit_lines(connection)[0]
    assert (line["who"], line["action"]) == ("kim@example.org", "signed in")


def test_groups_that_only_userinfo_tells_count(site: Locked, provider: Provider) -> None:
    del provider.person["groups"]
    provider.userinfo = {"sub": "1", "groups": ["cctv-admins"]}

    with site.client() as http:
        go(http, "/auth/login")
        assert http.get("/auth/session").json()["role"] == "admin"


def test_userinfo_of_somebody_else_does_not_count(site: Locked, provider: Provider) -> None:
    del provider.person["groups"]
    provider.userinfo = {"sub": "2", "groups": ["cctv-admins"]}

    with site.client() as http:
        assert go(http, "/auth/login").status_code == 403
        assert http.get("/auth/session").json() == {"signed_in": False}


def test_somebody_without_a_role_stays_outside(site: Locked, provider: Provider) -> None:
    provider.person["groups"] = ["kitchen"]

    with site.client() as http:
        answer = go(http, "/auth/login")
        assert (answer.status_code, "kim@example.org has no role" in answer.text) == (403, True)
        assert http.get("/api/v1/cameras").status_code == 401


@pytest.mark.parametrize("fault", ["signature", "audience"])
def test_a_token_that_is_not_the_providers_for_us_lets_nobody_in(
    site: Locked, provider: Provider, fault: str
) -> None:
    provider.signs_with_another_key = fault == "signature"
    provider.audience = "somebody-else" if fault == "audience" else provider.client_id

    with site.client() as http:
        assert go(http, "/auth/login").status_code == 401
        assert http.get("/auth/session").json() == {"signed_in": False}


def test_an_answer_that_this_browser_did_not_ask_for_lets_nobody_in(site: Locked) -> None:
    with site.client() as mine, site.client() as other:
        asked = mine.get("/auth/login")
        back = httpx.get(asked.headers["location"]).headers["location"]
        assert other.get(back).status_code == 401
        assert mine.get("/auth/callback?code=x&state=y").status_code == 401
        assert mine.get("/auth/callback").status_code == 401
        assert mine.get("/auth/callback?error=access_denied").status_code == 401


def test_there_are_no_passwords_beside_the_provider(site: Locked) -> None:
    with site.client() as http:
        answer = http.post("/login", data={"name": "chief", "password": "correct horse"})
        assert answer.status_code == 404
        assert "password" not in http.get("/login").text


def test_tokens_of_our_users_still_work(site: Locked) -> None:
    with site.program("visitor") as http:
        assert http.get("/api/v1/cameras").status_code == 200


def rules(**changes: object) -> OidcSettings:
    values = {"issuer": "https://id.example", "client_id": "c", "client_secret": "s"}
    roles = [OidcRole.model_validate(role) for role in ROLES]
    return OidcSettings.model_validate({**values, "roles": roles, **changes})


def test_the_first_rule_that_fits_counts() -> None:
    groups = {"sub": "1", "groups": ["hall-staff", "cctv-admins"]}

    assert viewer_of_claims(groups, rules()) == Viewer("1", Role.ADMIN)


def test_groups_may_be_nested_or_one_text() -> None:
    nested = {"sub": "1", "realm_access": {"roles": ["hall-staff"]}}

    viewer = viewer_of_claims(nested, rules(groups_claim="realm_access.roles"))

    assert viewer == Viewer("1", Role.OPERATOR, frozenset({SEEN}))
    assert viewer_of_claims({"sub": "1", "groups": "cctv-admins"}, rules()) is not None
    assert viewer_of_claims({"sub": "1", "groups": {"cctv-admins": 1}}, rules()) is None


def test_a_rule_may_be_for_everybody() -> None:
    settings = rules(roles=[{"group": "*", "role": "viewer"}], name_claim="name")

    assert viewer_of_claims({"sub": "1", "name": "Lee"}, settings) == Viewer("Lee", Role.VIEWER)
