"""What a host is."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._preflight import host


def test_a_package_that_cannot_be_imported_is_not_missing(tmp_path, monkeypatch):
    (tmp_path / "good_package.py").write_text("")
    (tmp_path / "broken_package.py").write_text("import no_such_module")
    (tmp_path / "raising_package.py").write_text("raise RuntimeError('old')")
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("good_package", "broken_package", "raising_package", "only_a_folder", "no_such_package")
    monkeypatch.setattr(host, "PYTHON_PACKAGES", dict.fromkeys(names, "x"))
    missing, broken = host._python_packages()
    assert missing == ("only_a_folder", "no_such_package")
    assert dict(broken) == {
        "broken_package": "No module named 'no_such_module'",
        "raising_package": "RuntimeError: old",
    }


def test_an_address_is_there_when_an_interface_has_it():
    assert host._has_address("127.0.0.1")
    assert not host._has_address("192.0.2.9")
    assert not host._has_address("2001:db8::9")


def test_the_free_space_of_a_folder_to_come_is_that_of_the_next_above():
    assert host._disk_free_mib("/tmp/no/such/folder") == host._disk_free_mib("/tmp")
