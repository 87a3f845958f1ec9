"""What of the user's way to the network pip in the container gets."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath
from unittest.mock import Mock

import pytest

from ebsif.errors import EbsifError
from ebsif.inside.packages import PYTHON_ENV
from ebsif.lock.pip.messages import explained
from ebsif.lock.pip.network import network_environment
from tests.support.wheels import Wheel

INSIDE = PurePosixPath("/inside")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's only configuration of pip."""
    for name in (
        "PIP_CERT",
        "PIP_FIND_LINKS",
        "PIP_DEFAULT_TIMEOUT",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    (tmp_path / "pip.conf").write_text("")
    return tmp_path / "pip.conf"


def test_a_mirror_is_handed_on_and_further_indexes_are_not(config: Path, tmp_path: Path) -> None:
    config.write_text(
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url = https://more.example\nfind-links = /x\n"
    )
    env = network_environment(tmp_path, INSIDE)
    assert env["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert not {"PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"} & set(env)


@pytest.mark.parametrize(
    "text",
    [
        "index-url = https://me:secret@x\n",
        "[global]\nindex-url = x\n[glo secret\n",
        b"\xff\xfe",
        "[global]\ntimeout = abc\n",
    ],
)
def test_settings_that_pip_cannot_read_are_an_error(config: Path, tmp_path: Path, text: str | bytes) -> None:
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(EbsifError, match=r"^pip cannot read its settings on this machine, .*: correct them$") as caught:
        network_environment(tmp_path, INSIDE)
    assert "secret" not in str(caught.value)


def test_settings_that_do_not_count_are_named_where_a_package_is_missing(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[global]\nindex-url = https://mirror.example/simple\nextra-index-url = https://more.example\n")
    monkeypatch.setenv("PIP_FIND_LINKS", "/x")
    errors = "ERROR: Could not find a version that satisfies the requirement six (from versions: none)\n"
    assert str(explained("", errors, None)).endswith(
        "; extra-index-url in the settings of your pip is not used, since others do not have it: write `extra_indexes` "
        "into the recipe; find-links in the settings of your pip is not used, since others do not have it: write "
        "`extra_indexes`, or the path of each wheel into the recipe"
    )


def test_no_option_of_pip_can_come_from_an_image(pip_wheel: Wheel) -> None:
    script = "from pip._internal.commands import create_command as c\nfor name in 'install', 'download', 'wheel':\n"
    script += "    for option in c(name).parser.option_list_all:\n        print(*option._long_opts)"
    env = {"PYTHONPATH": str(pip_wheel.path)}
    said = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    names = {word.removeprefix("--").upper().replace("-", "_") for word in said.split()}
    assert {f"PIP_{name}" for name in names - {"HELP"}} == {name for name in PYTHON_ENV if name.startswith("PIP_")}


def test_several_trusted_hosts_arrive_as_one_variable(config: Path, tmp_path: Path) -> None:
    config.write_text("[install]\ntrusted-host =\n    one.example\n    two.example\n")
    assert network_environment(tmp_path, INSIDE)["PIP_TRUSTED_HOST"] == "one.example two.example"


def test_pip_is_asked_once_for_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Mock(wraps=subprocess.run)
    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        network_environment(tmp_path, INSIDE)
    assert run.call_count == 1


def test_a_proxy_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert network_environment(tmp_path, INSIDE)["HTTPS_PROXY"] == "http://proxy.example:3128"


def test_the_users_number_of_retries_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert network_environment(tmp_path, INSIDE)["PIP_RETRIES"] == "2"
    monkeypatch.setenv("PIP_RETRIES", "7")
    assert network_environment(tmp_path, INSIDE)["PIP_RETRIES"] == "7"


def test_certificates_are_copied_to_where_the_container_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("the certificate")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert network_environment(tmp_path / "folder", INSIDE)["PIP_CERT"] == "/inside/certificates.pem"
    assert (tmp_path / "folder" / "certificates.pem").read_text() == "the certificate"


def test_certificates_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "gone.pem"))
    with pytest.raises(EbsifError, match=r"cannot read the certificates .*gone\.pem: No such file"):
        network_environment(tmp_path, INSIDE)
