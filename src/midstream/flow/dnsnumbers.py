"""The numbers of DNS by name (IANA's registry of DNS parameters). What has no name here is written as RFC 3597 §5 says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_FROM_1 = """
    A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS AAAA LOC NXT EID
    NIMLOC SRV ATMA NAPTR KX CERT A6 DNAME SINK OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA"""
_FROM_55 = "HIP NINFO RKEY TALINK CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS"
_FROM_99 = "SPF UINFO UID GID UNSPEC NID L32 L64 LP EUI48 EUI64"
_FROM_249 = "TKEY TSIG IXFR AXFR MAILB MAILA ANY URI CAA AVC DOA AMTRELAY RESINFO"
_CODES = "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI"

TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        **dict(enumerate(_FROM_1.split(), 1)),
        **dict(enumerate(_FROM_55.split(), 55)),
        **dict(enumerate(_FROM_99.split(), 99)),
        **dict(enumerate(_FROM_249.split(), 249)),
        32768: "TA",
        32769: "DLV",
    }
)
CLASSES: Final[Mapping[int, str]] = MappingProxyType({1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"})
OP_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}
)
RESPONSE_CODES: Final[Mapping[int, str]] = MappingProxyType(dict(enumerate(_CODES.split())))

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
PTR: Final = 12
MX: Final = 15
TXT: Final = 16
AAAA: Final = 28
OPT: Final = 41
SVCB: Final = 64
HTTPS: Final = 65
IXFR: Final = 251
AXFR: Final = 252
IN: Final = 1
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4

_BY_NAME = {name: number for number, name in TYPES.items()}
_CLASS_BY_NAME = {name: number for number, name in CLASSES.items()}


def type_name(number: int) -> str:
    """Return `A`, or `TYPE12345` for what has no name."""
    return TYPES.get(number) or f"TYPE{number}"


def class_name(number: int) -> str:
    return CLASSES.get(number) or f"CLASS{number}"


def op_code_name(number: int) -> str:
    return OP_CODES.get(number) or f"OPCODE{number}"


def response_code_name(number: int) -> str:
    return RESPONSE_CODES.get(number) or f"RCODE{number}"


def type_number(name: str) -> int:
    """Read what `type_name` writes. Raises ValueError for anything else."""
    return _number(name, _BY_NAME, "TYPE")


def class_number(name: str) -> int:
    """Read what `class_name` writes. Raises ValueError for anything else."""
    return _number(name, _CLASS_BY_NAME, "CLASS")


def _number(name: str, known: Mapping[str, int], prefix: str) -> int:
    name = name.upper()
    digits = name.removeprefix(prefix)
    if name in known:
        return known[name]
    if digits != name and digits.isascii() and digits.isdigit() and int(digits) <= 0xFFFF:
        return int(digits)
    raise ValueError(f"expected the name of a DNS {prefix.lower()} such as {next(iter(known))}, got {name!r}")
