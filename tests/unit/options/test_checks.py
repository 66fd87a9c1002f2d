import pytest

from midstream.errors import OptionsError
from midstream.options.checks import check_address, check_credentials, check_networks, check_patterns


@pytest.mark.parametrize(
    ("check", "good", "bad", "reason"),
    [
        (check_patterns, [r"example\.com:443", ""], ["ok", "("], "regular expression"),
        (check_networks, ["10.0.0.0/8", "10.1.2.3/8", "::1"], ["10.0.0.0/40"], "network"),
        (check_address, "fe80::1%eth0", "localhost", "IP address"),
        (check_credentials, "me:a:b", ":secret", "USER:PASSWORD"),
        (check_credentials, "me:", "", "USER:PASSWORD"),
    ],
)
def test_checks(check, good, bad, reason):
    check(good)
    with pytest.raises(OptionsError, match=reason):
        check(bad)
