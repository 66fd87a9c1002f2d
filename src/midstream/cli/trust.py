"""`midstream trust`: show the authority's certificate, and make this machine trust it, or no longer."""

from collections.abc import Callable

import click

from midstream.cli.flags import options_from
from midstream.cli.truststores import Certificate, Machine, Store, StoreError, find_stores, lacks_certutil
from midstream.pki import CertificateAuthority

KINDS = ("system", "browser", "java")
INSTRUCTIONS = """\
Elsewhere (docs/certificates.md has the details):
  any device   open http://{host}/ through the proxy and download the certificate there
  Firefox      Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import
  iOS          install the profile, then Settings, General, About, Certificate Trust Settings
  Android      Settings, Security, Encryption & credentials, Install a certificate, CA certificate
               (apps must permit user certificates; otherwise it has to be in the system's store)
  Docker       COPY midstream-ca-cert.pem /usr/local/share/ca-certificates/midstream-ca.crt
               RUN update-ca-certificates
  Python       REQUESTS_CA_BUNDLE, SSL_CERT_FILE   a file with this and all other trusted certificates
  Node.js      NODE_EXTRA_CA_CERTS={pem}
  curl         curl --cacert {pem}
  one command  midstream run -- COMMAND            sets all of these for it, and nothing else
"""


@click.command()
@click.option("--install", "action", flag_value="install", help="Make this machine's stores trust the certificate.")
@click.option("--remove", "action", flag_value="remove", help="Take the certificate out of this machine's stores.")
@click.option("--renew", "action", flag_value="renew", help="Extend the certificate by ten years, with the same key.")
@click.option(
    "--only", type=click.Choice(KINDS), multiple=True, help="Change stores of this kind only; may be repeated."
)
@click.option("-y", "--yes", is_flag=True, help="Change without asking.")
@click.option("--confdir", metavar="DIR", help="The directory that holds the CA.")
@click.option("settings", "--set", multiple=True, metavar="NAME=VALUE", help="Set an option, such as cert_passphrase.")
@click.pass_context
def trust(
    context: click.Context,
    action: str | None,
    only: tuple[str, ...],
    yes: bool,
    confdir: str | None,
    settings: tuple[str, ...],
) -> None:
    """Show the CA certificate and who trusts it; install it, remove it, or renew it.

    Makes the CA if there is none yet. Exit code 1: a store could not be changed, or you said no.
    """
    options = options_from({"confdir": confdir, "settings": settings})
    passphrase = options.cert_passphrase
    authority = CertificateAuthority.load_or_create(
        str(options.confdir), key_type=options.ca_key_type, key_size=options.key_size, passphrase=passphrase
    )
    if action == "renew":
        authority = _renew(context, authority, passphrase, is_sure=yes)
    _describe(authority)
    machine = context.obj if isinstance(context.obj, Machine) else Machine()
    stores = [store for store in find_stores(machine, certificate_of(authority)) if not only or store.kind in only]
    if action == "install":
        _change(context, [store for store in stores if not store.holds_it()], "install", Store.install, is_sure=yes)
    elif action == "remove":
        _change(context, [store for store in stores if store.holds_any()], "remove", Store.remove, is_sure=yes)
    else:
        _list(stores)
        click.echo(INSTRUCTIONS.format(host=options.onboarding_host, pem=authority.public_file()), nl=False)
    if lacks_certutil(machine):
        click.echo("Browsers keep stores of their own; to change them install certutil (libnss3-tools, nss-tools).")


def certificate_of(authority: CertificateAuthority) -> Certificate:
    return Certificate(
        path=authority.public_file(),
        pem=authority.download("pem"),
        fingerprint=authority.fingerprint,
        serial=f"{authority.trust_anchor.serial_number:x}",
    )


def _renew(
    context: click.Context, authority: CertificateAuthority, passphrase: str | None, *, is_sure: bool
) -> CertificateAuthority:
    if not is_sure and not click.confirm("Renew the CA certificate? Every client has to trust the new one."):
        _stop(context)
    return authority.renew(passphrase)


def _describe(authority: CertificateAuthority) -> None:
    anchor = authority.trust_anchor
    click.echo(f"CA certificate  {authority.public_file()}")
    click.echo(f"Subject         {anchor.subject.rfc4514_string()}")
    click.echo(f"Valid           {anchor.not_valid_before_utc:%Y-%m-%d} to {anchor.not_valid_after_utc:%Y-%m-%d}")
    click.echo(f"SHA-256         {authority.fingerprint}")
    for warning in authority.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo()


def _list(stores: list[Store]) -> None:
    click.echo("On this machine:" if stores else "This machine has no store that we know how to change.")
    for store in stores:
        click.echo(f"  {'trusted' if store.holds_it() else 'not trusted':<11}  {store.name}")
    if stores:
        click.echo("`midstream trust --install` changes that, `--remove` changes it back.")
    click.echo()


def _change(
    context: click.Context, stores: list[Store], verb: str, change: Callable[[Store], None], *, is_sure: bool
) -> None:
    if not stores:
        click.echo(f"There is nothing to {verb} on this machine.")
        return
    for store in stores:
        click.echo(f"  {verb}  {store.name}")
    if not is_sure and not click.confirm("Change these stores?"):
        _stop(context)
    failures = [failure for store in stores if (failure := _attempt(store, change))]
    for failure in failures:
        click.echo(failure, err=True)
    click.echo(f"{len(stores) - len(failures)} of {len(stores)} stores changed. Restart programs that are running.")
    if failures:
        context.exit(1)


def _attempt(store: Store, change: Callable[[Store], None]) -> str:
    """Change a store; a failure becomes its message, so that the other stores have their turn."""
    try:
        change(store)
    except StoreError as error:
        return str(error)
    return ""


def _stop(context: click.Context) -> None:
    click.echo("Nothing was changed.")
    context.exit(1)
