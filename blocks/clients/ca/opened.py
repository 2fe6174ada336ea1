"""CAs opened from where they stand. The libraries that one of them needs are loaded with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from blocks.clients.ca.addresses import AuthorityAt, CertificatesAt, ZoneAt
from blocks.clients.ca.local import LocalCa
from blocks.clients.ca.protocol import Authority
from blocks.clients.certificates import LocalAuthority
from blocks.errors import Refused
from blocks.terms.base import Frozen


class CaKeys(Frozen):
    """Secrets of CAs by authority and of zones by TSIG key name, as in the settings."""

    authorities: Mapping[str, SecretStr] = {}
    zones: Mapping[str, SecretStr] = {}


Home = Callable[[str], ZoneAt | None]
"""The zone on the name servers of our complexes that a name lies in."""


def open_authority(
    at: AuthorityAt,
    whole: CertificatesAt,
    keys: CaKeys,
    *,
    account_key: Callable[[], str],
    local: LocalAuthority,
    home: Home = lambda _: None,
) -> Authority:
    """The client of a CA. `account_key` gives the PEM of our account's key, made when it is first asked for.

    Raises Refused where a secret is missing.
    """
    if at.kind == "local":
        return LocalCa(at.name, local, local.root, at.days)
    if at.kind == "acme":
        return _acme(at, whole, keys, account_key, home)
    return _reseller(at, whole, keys)


def _acme(
    at: AuthorityAt, whole: CertificatesAt, keys: CaKeys, account_key: Callable[[], str], home: Home
) -> Authority:
    from blocks.clients.ca.acme_account import AcmeAccount  # noqa: PLC0415 - their libraries, for such CAs alone
    from blocks.clients.ca.acme_ca import AcmeCa  # noqa: PLC0415
    from blocks.clients.ca.caa import Caa  # noqa: PLC0415
    from blocks.clients.ca.dns01 import Dns01  # noqa: PLC0415

    if at.eab_kid:
        secret_of(at, keys)
    account = AcmeAccount(at, account_key, lambda: secret_of(at, keys))
    return AcmeCa(at, account, Dns01(whole.zone, keys.zones, whole.resolvers, home=home), Caa(whole.resolvers))


def _reseller(at: AuthorityAt, whole: CertificatesAt, keys: CaKeys) -> Authority:
    from blocks.clients.ca.caa import Caa  # noqa: PLC0415
    from blocks.clients.ca.gogetssl import GoGetSsl  # noqa: PLC0415
    from blocks.clients.ca.gogetssl_api import GoGetSslApi  # noqa: PLC0415
    from blocks.clients.ca.records import ZoneRecords  # noqa: PLC0415

    api = GoGetSslApi(at.name, str(at.url), at.user, secret_of(at, keys), ca_file=at.ca_file)
    return GoGetSsl(at, api, ZoneRecords(whole.zone, keys.zones), Caa(whole.resolvers))


def secret_of(at: AuthorityAt, keys: CaKeys) -> str:
    """The secret of a CA. Raises Refused where none is set."""
    if at.name not in keys.authorities:
        raise Refused("secret", f"DOGOVOR_CA_SECRETS has no {at.name}")
    return keys.authorities[at.name].get_secret_value()
