import inspect
from pathlib import Path

import pytest
from attrs import fields

from orchestrator.cli.serve import serve
from orchestrator.model.errors import ConfigError
from orchestrator.settings import Settings


def test_flags_go_before_the_environment_and_that_before_the_defaults() -> None:
    environment = {
        "TANDEM_SIP_LISTEN": "udp:127.0.0.1:5070, tcp:127.0.0.1:5070",
        "TANDEM_MEDIA_PORTS": "20000-20999",
        "TANDEM_MAX_LEGS": "100",
        "TANDEM_DATA_DIR": "/var/lib/tandem",
    }
    settings = Settings.from_environment(environment, max_legs=7, http_listen=None)
    assert settings.sip_listen == ("udp:127.0.0.1:5070", "tcp:127.0.0.1:5070")
    assert settings.media_ports == (20000, 20999)
    assert settings.max_legs == 7
    assert settings.http_listen == Settings().http_listen
    assert settings.database == "sqlite:////var/lib/tandem/tandem.db"
    assert settings.data_dir == Path("/var/lib/tandem")


def test_every_bad_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"TANDEM_MEDIA_PORTS: .*'x'; TANDEM_MAX_LEGS: .*'many'"):
        Settings.from_environment({"TANDEM_MAX_LEGS": "many", "TANDEM_MEDIA_PORTS": "x"})


def test_bans_have_a_shortest_and_a_longest_and_networks_without() -> None:
    environment = {"TANDEM_BAN_S": "60-3600", "TANDEM_NEVER_BAN": "192.0.2.0/24 2001:db8::1"}
    settings = Settings.from_environment(environment)
    assert (settings.ban_s, settings.never_ban) == ((60, 3600), ("192.0.2.0/24", "2001:db8::1"))
    for wrong in ((0, 10), (20, 10), (1, 366 * 86_400 + 1)):
        with pytest.raises(ConfigError, match="--ban-s: must be FIRST-LONGEST"):
            Settings.from_environment({}, ban_s=wrong)
    with pytest.raises(ConfigError, match=r"--never-ban: .* not '192.0.2.0/33'"):
        Settings.from_environment({}, never_ban=("192.0.2.0/33", "192.0.2.1"))


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"sip_listen": ("tls:0.0.0.0:5061",)}, ["--tls-certificate", "--tls-key"]),
        ({"sip_listen": ("tls:0.0.0.0:5061",), "tls_certificate": Path("c.pem")}, ["--tls-key"]),
        ({"tls_certificate": Path("c.pem"), "tls_key": Path("k.pem")}, ["--tls-certificate", "--tls-key"]),
        ({"tls_authorities": Path("a.pem")}, ["--tls-authorities"]),
        ({"sip_listen": ("wss:0.0.0.0:7443",)}, ["--tls-certificate", "--tls-key"]),
        ({"ws_origin": ("https://phone.example",)}, ["--ws-origin"]),
        ({"ws_origin": ("*",), "sip_listen": ("ws:127.0.0.1:8088",)}, []),
    ],
)
def test_what_a_listener_needs_and_the_listener_belong_together(
    given: dict[str, object], wrong: list[str]
) -> None:
    problems: list[str] = []
    try:
        Settings.from_environment({}, **given)
    except ConfigError as told:
        problems = [problem.path for problem in told.problems]
    assert problems == wrong


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"hep": "udp:192.0.2.7:9060", "hep_id": 2001, "hep_password": "x"}, []),
        ({"hep": "udp:[2001:db8::7]:9060"}, []),
        ({"hep": "udp:2001:db8::7:9060"}, ["--hep"]),
        ({"hep": "192.0.2.7:9060"}, ["--hep"]),
        ({"hep": "udp:homer.example:9060"}, ["--hep"]),
        (
            {"hep": "udp:192.0.2.7:0", "hep_id": 2**32, "hep_password": "x" * 257},
            ["--hep", "--hep-id", "--hep-password"],
        ),
        ({"hep_id": 1, "hep_password": "x"}, ["--hep-id", "--hep-password"]),
        ({"sip_trace_calls": -1}, ["--sip-trace-calls"]),
    ],
)
def test_who_gets_the_sip_messages_is_said_whole(given: dict[str, object], wrong: list[str]) -> None:
    problems: list[str] = []
    try:
        Settings.from_environment({}, **given)
    except ConfigError as told:
        problems = [problem.path for problem in told.problems]
    assert problems == wrong


def test_a_flag_that_may_stand_in_the_environment_has_its_setting_and_tells_its_default() -> None:
    told = {
        name: parameter.annotation.__metadata__[0].help
        for name, parameter in inspect.signature(serve).parameters.items()
    }
    assert {*told} - {"company", "log_level"} <= {attribute.name for attribute in fields(Settings)}
    first, last = Settings().media_ports
    for flag, default in {
        "data_dir": f"default: {Settings().data_dir}.",
        "sip_listen": Settings().sip_listen[0].partition(":")[2],
        "http_listen": f"default: {Settings().http_listen}.",
        "media_address": f"default: {Settings().media_address}.",
        "max_requests_of_source": f"default: {Settings().max_requests_of_source}.",
        "media_ports": f"default: {first}-{last}.",
    }.items():
        assert default in told[flag]
