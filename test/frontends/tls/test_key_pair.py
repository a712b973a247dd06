"""The loading of a certificate and its key: each error is one line."""

import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls.key_pair import read_pair
from test.tls import make_pair


def why(certificate: Path, key: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_pair(certificate, key)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_spki_hash_of_a_good_pair_is_that_of_openssl(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    pipe = (
        f"openssl x509 -in {certificate} -pubkey -noout | openssl pkey -pubin -outform der"
        " | openssl dgst -sha256 -binary | base64"
    )
    shown = subprocess.run(pipe, shell=True, capture_output=True, check=True, text=True)
    assert read_pair(certificate, key).spki_hash == shown.stdout.strip()


def test_certificate_and_key_in_one_file_are_loaded(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    read_pair(both, both)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    nowhere = tmp_path / "nowhere.pem"
    assert why(nowhere, key) == f"cannot read the certificate {nowhere}: No such file or directory"
    assert why(certificate, nowhere).startswith(f"cannot read the private key {nowhere}: ")


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    _, key = make_pair(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert why(folder, key) == f"cannot read the certificate {folder}: Is a directory"


def test_file_without_pem_is_an_error(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    junk = tmp_path / "junk.pem"
    junk.write_bytes(b"\0junk")
    assert why(junk, key) == f"{junk} has no certificate in PEM format"
    assert why(certificate, junk) == f"{junk} has no private key in PEM format"
    assert why(certificate, certificate) == f"{certificate} has no private key in PEM format"


def test_key_of_another_certificate_is_an_error(tmp_path: Path) -> None:
    certificate, _ = make_pair(tmp_path)
    _, key = make_pair(tmp_path, "other")
    assert (
        why(certificate, key) == f"the key {key} does not belong to the certificate {certificate}"
    )


def test_encrypted_key_is_an_error(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x"]
    subprocess.run([*command, "-out", str(locked)], check=True)
    assert why(certificate, locked).startswith(f"the private key {locked} is encrypted: decrypt it")


def test_expired_certificate_is_an_error(tmp_path: Path) -> None:
    assert "has expired, on 20" in why(*make_pair(tmp_path, days=-1))


def test_certificate_that_is_not_valid_yet_is_an_error(tmp_path: Path) -> None:
    assert "is not valid before 20" in why(*make_pair(tmp_path, days=3, begins=2))


def test_key_that_is_too_weak_is_an_error(tmp_path: Path) -> None:
    certificate, key = tmp_path / "weak.pem", tmp_path / "weak-key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:512", "-nodes", "-subj", "/CN=weak"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    assert (
        why(certificate, key) == f"the certificate {certificate} cannot be used: ee key too small"
    )
