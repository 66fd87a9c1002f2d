import click
import pytest

from midstream.cli.flags import as_given, flag_of, help_of, option_flags, options_from
from midstream.errors import OptionsError
from midstream.options import Options
from midstream.options.store import Text


@pytest.fixture(autouse=True)
def confdir(monkeypatch, tmp_path):
    monkeypatch.setenv("MIDSTREAM_CONFDIR", str(tmp_path))


def options_of(*words):
    """The options that a command line gives."""
    made = []

    @option_flags
    @click.command()
    def command(**params):
        made.append(options_from(params))

    command.main(list(words), standalone_mode=False)
    return made[0]


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["-p", "9"], {"listen_port": 9}),
        (["--listen-port=0", "--listen-host", ""], {"listen_port": 0, "listen_host": ""}),
        (["-m", "regular@1", "--mode", "socks5@2"], {"mode": ("regular@1", "socks5@2")}),
        (["-k"], {"ssl_insecure": True}),
        (["-k", "--no-ssl-insecure"], {}),
        (["-n"], {"server": False}),
        (["--no-server", "--server"], {}),
        (["--no-block-global"], {"block_global": False}),
        (["-s", "a.py", "-s", "b;c.py"], {"scripts": ("a.py", "b;c.py")}),
        (
            ["--set", "body_size_limit=10m", "--set", "anything-with-dash", "--set", "rawtcp=false"],
            {"body_size_limit": 10 << 20, "rawtcp": False},
        ),
        (["-q"], {"termlog_verbosity": "error", "flow_detail": 0}),
        (["-q", "--flow-detail", "3"], {"termlog_verbosity": "error", "flow_detail": 3}),
        (["-v"], {"termlog_verbosity": "debug"}),
        (["--profile", "STRICT"], {"profile": "strict"}),
        (["--ignore-hosts", r"^a\.com:443$"], {"ignore_hosts": (r"^a\.com:443$",)}),
    ],
)
def test_flags(words, changed, tmp_path):
    assert options_of(*words).changed() == changed | {"confdir": str(tmp_path)}


def test_a_switch_that_is_not_given_leaves_the_variable_alone(monkeypatch):
    monkeypatch.setenv("MIDSTREAM_SSL_INSECURE", "true")
    assert options_of().ssl_insecure
    assert not options_of("--no-ssl-insecure").ssl_insecure


def test_mistakes_name_the_flag():
    with pytest.raises(
        OptionsError, match=r"option listen_port \(--listen-port\): expected a whole number from 0 to 65535"
    ):
        options_of("-p", "http")


def test_every_bool_flag_can_be_said_no_to():
    for known in Options().declared.values():
        if known.flags and known.kind.name == "bool":
            flag = flag_of(known)
            assert f"--no-{known.name.replace('_', '-')}" in flag.secondary_opts


def test_overrides_are_weaker_than_flags():
    assert options_from({"listen_port": "7"}, listen_port=0).listen_port == 7
    assert options_from({"listen_port": None}, listen_port=0).listen_port == 0
    assert options_from({}, listen_port=None).listen_port is None


def test_help_tells_the_default():
    declared = Options().declared
    assert help_of(declared["rawtcp"]).endswith(" [default: true]")
    assert help_of(declared["certs"]) == declared["certs"].help


@pytest.mark.parametrize(("value", "given"), [("a", Text(["a"])), (("a", "b"), Text(["a", "b"])), (True, True)])
def test_what_click_read_stays_text(value, given):
    assert as_given(value) == given
    assert type(as_given(value)) is type(given)


def test_shells_can_complete_choices_and_paths():
    declared = Options().declared
    assert isinstance(flag_of(declared["profile"]).type, click.Choice)
    assert isinstance(flag_of(declared["scripts"]).type, click.Path)
    assert flag_of(declared["proxyauth"]).type is click.STRING
