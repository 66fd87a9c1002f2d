"""Takes out of HTTPS and SVCB records (RFC 9460) what would lead clients past us: the options `strip_ech` and `strip_http3`."""

from midstream.addon import DNSFlow, Options, ResourceRecord

TYPES = frozenset({64, 65})
"""SVCB and HTTPS."""


class StripHttps:
    """Edits responses."""

    name = "strip-https-records"

    def __init__(self, *, strips_ech: bool, strips_http3: bool) -> None:
        self._strips_ech = strips_ech
        self._strips_http3 = strips_http3

    @classmethod
    def wanted(cls, options: Options) -> "StripHttps | None":
        """Return the addon that the options ask for; None where no DNS is spoken."""
        modes = [mode.strip().lower() for mode in options.mode]
        has_dns = any(mode.startswith(("dns", "reverse:dns://")) for mode in modes)
        if not has_dns or not (options.strip_ech or options.strip_http3):
            return None
        return cls(strips_ech=options.strip_ech, strips_http3=options.strip_http3)

    def dns_response(self, flow: DNSFlow) -> None:
        assert flow.response is not None
        for record in (*flow.response.answers, *flow.response.additionals):
            if record.type in TYPES:
                self._strip(record)

    def _strip(self, record: ResourceRecord) -> None:
        try:
            alpn, ech = record.https_alpn, record.https_ech
        except ValueError:
            return
        if self._strips_ech and ech is not None:
            record.https_ech = None
        if self._strips_http3 and alpn is not None:
            kept = tuple(name for name in alpn if not name.startswith(b"h3"))
            if kept != alpn:
                record.https_alpn = kept or None
