"""Who may see and do what: the section ``access`` of the site file."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from core.sections import Duration, Identifier, Section

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcRole(Section):
    """What the people of one group of the identity provider may do."""

    group: str = Field(min_length=1, description="A value in the claim; `*` is everybody.")
    role: Literal["viewer", "operator", "admin"] = Field(description="What they may do.")
    cameras: list[Identifier] | None = Field(
        None, description="Cameras that they may see; by default all, and an admin always all."
    )

    @model_validator(mode="after")
    def _admins_see_all(self) -> Self:
        if self.role == "admin" and self.cameras is not None:
            raise ValueError("cameras cannot be limited for an admin: the site file names them all")
        return self


class OidcSettings(Section):
    """An OpenID Connect provider, such as Keycloak, Entra ID, Google or Authentik."""

    issuer: str = Field(
        description="Address of the provider; `/.well-known/openid-configuration` is below it."
    )
    client_id: str = Field(min_length=1, description="Of this dashboard at the provider.")
    client_secret: str = Field(min_length=1, description="The same; better as ${NAME}.")
    scope: str = Field("openid profile email", description="What is asked of the provider.")
    name_claim: str = Field("email", description="Claim that is shown as a person's name.")
    groups_claim: str = Field("groups", description="Claim that roles are chosen by.")
    roles: Annotated[list[OidcRole], Field(min_length=1)] = Field(
        description="The first whose group a person has counts; without any nobody gets in."
    )

    @field_validator("issuer")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES
        if not parts.hostname or (parts.scheme != "https" and not local):
            raise ValueError(f"{value!r} is no https:// address (http:// is for loopback only)")
        return value.rstrip("/")


class AccessSettings(Section):
    login: Literal["off", "local", "oidc"] = Field(
        "off",
        description="off: everybody is an admin, allowed only on a loopback host; local: users of "
        "`headcount users`; oidc: people of an identity provider.",
    )
    idle_timeout: Duration = Field(
        12 * 3600.0, ge=60, description="A sign-in ends when no page was open for so long."
    )
    session_limit: Duration = Field(
        7 * 86400.0, ge=60, description="A sign-in ends after so long, whatever is open."
    )
    oidc: OidcSettings | None = Field(None, description="Needed with `login: oidc`.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.login == "oidc" and self.oidc is None:
            raise ValueError("`login: oidc` needs the section oidc with issuer, client_id, ...")
        return self


def public_origin(value: str) -> str:
    """The origin of an address, ``https://cctv.example:8443``.

    Raises:
        ValueError: it is none, or has more than an origin.
    """
    parts = urlsplit(value)
    _ = parts.port  # raises ValueError when it is no number
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"{value!r} is no address such as https://cctv.example")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            f"{value!r} has a path; allowed is an address such as https://cctv.example"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"
