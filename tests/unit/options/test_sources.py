import pytest

from midstream.errors import OptionsError
from midstream.options import Options
from midstream.options.sources import load
from midstream.options.store import Text


@pytest.fixture
def confdir(tmp_path):
    (tmp_path / "config.toml").write_text(
        'flow_detail = 2\nlisten-port = 1000\nmode = ["socks5"]\nscripts = ["a.py", "/b.py"]\nbody_memory = "2m"\n'
    )
    return tmp_path


def loaded(confdir, environment=None, flags=None, settings=()):
    options = Options()
    load(options, environment=environment or {}, flags={"confdir": str(confdir), **(flags or {})}, settings=settings)
    return options


def test_the_configuration_file_is_read(confdir):
    options = loaded(confdir)
    assert (options.flow_detail, options.listen_port, options.mode) == (2, 1000, ("socks5",))
    assert options.body_memory == 2 << 20
    assert options.explain("flow_detail") == str(confdir / "config.toml")


def test_relative_paths_in_the_file_are_taken_from_its_folder(confdir):
    assert loaded(confdir).scripts == (str(confdir / "a.py"), "/b.py")


def test_a_flag_outweighs_a_variable_outweighs_the_file(confdir):
    environment = {"MIDSTREAM_LISTEN_PORT": "2000", "MIDSTREAM_FLOW_DETAIL": "3", "OTHER": "x"}
    options = loaded(confdir, environment, {"listen_port": Text(["3000"])})
    assert (options.listen_port, options.explain("listen_port")) == (3000, "--listen-port")
    assert (options.flow_detail, options.explain("flow_detail")) == (3, "MIDSTREAM_FLOW_DETAIL")


def test_set_outweighs_the_file(confdir):
    options = loaded(confdir, settings=["listen_port=3000", "mode=regular@1", "mode=socks5@2", "ssl-insecure"])
    assert (options.listen_port, options.mode, options.ssl_insecure) == (3000, ("regular@1", "socks5@2"), True)
    assert options.explain("listen_port") == "--set listen_port"


def test_lists_in_variables(confdir):
    options = loaded(confdir, {"MIDSTREAM_IGNORE_HOSTS": r"a\.com:443;b,c{1,2}"})
    assert options.ignore_hosts == (r"a\.com:443", "b,c{1,2}")


@pytest.mark.parametrize("where", ["flag", "text", "set", "variable"])
def test_confdir_is_found_wherever_it_is_given(confdir, where):
    options = Options()
    load(
        options,
        environment={"MIDSTREAM_CONFDIR": str(confdir)} if where == "variable" else {},
        flags={"flag": {"confdir": str(confdir)}, "text": {"confdir": Text([str(confdir)])}}.get(where),
        settings=[f"confdir={confdir}"] if where == "set" else [],
    )
    assert options.flow_detail == 2
    assert options.confdir == str(confdir)


def test_no_file_is_no_mistake(tmp_path):
    assert loaded(tmp_path / "nothing").changed() == {"confdir": str(tmp_path / "nothing")}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = ", "cannot read"),
        (b"\xff", "cannot read"),
        (b"flow_detail = 9", "option flow_detail"),
        (b"[mode]\na = 1", "mode"),
    ],
)
def test_mistakes_in_the_file_name_it(tmp_path, content, reason):
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(OptionsError, match=reason) as caught:
        loaded(tmp_path)
    assert "config.toml" in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(OptionsError, match=r"cannot read .*config\.toml"):
        loaded(tmp_path)


def test_mistakes_elsewhere_name_their_source(tmp_path):
    with pytest.raises(OptionsError, match="MIDSTREAM_FLOW_DETAIL"):
        loaded(tmp_path, {"MIDSTREAM_FLOW_DETAIL": "many"})
    with pytest.raises(OptionsError, match="--flow-detail"):
        loaded(tmp_path, flags={"flow_detail": Text(["many"])})
    with pytest.raises(OptionsError, match="--set flow_detail"):
        loaded(tmp_path, settings=["flow_detail=many"])


def test_unknown_names_wait_for_scripts(tmp_path):
    (tmp_path / "config.toml").write_text("from_file = 1\n")
    options = loaded(tmp_path, {"MIDSTREAM_FROM_VARIABLE": "2"}, settings=["from_set=3"])
    assert {name: waiting.if_unknown for name, waiting in options.deferred.items()} == {
        "from_file": "warn",
        "from_variable": "ignore",
        "from_set": "refuse",
    }
    for name in ("from_file", "from_variable", "from_set"):
        options.add_option(name, int, 0, "")
    assert [options.value(name) for name in ("from_file", "from_variable", "from_set")] == [1, 2, 3]
