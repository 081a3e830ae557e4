"""How Chromium comes onto a machine: the commands, from an empty cache, once more after a failure, and in words elsewhere."""

import os
from types import SimpleNamespace

import pytest
from duet_host import browser
from duet_host.errors import HostError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="apt-get is of Debian")
# It fails as long as the file `failures` says so, wants its lists first, and leaves a program behind.
APT = """#!/bin/sh
cd "$(dirname "$0")"
echo "$DEBIAN_FRONTEND $*" >> commands
if [ -s failures ]; then read -r why < failures; tail -n +2 failures > rest; mv rest failures; echo "$why"; exit 100; fi
case "$1" in
    update) touch lists ;;
    install) [ -e lists ] || { echo "E: Unable to locate package $3"; exit 100; }
        printf '#!/bin/sh\\n' > "$3"; chmod +x "$3" ;;
esac
"""
SUDO = '#!/bin/sh\n[ "$1" = -n ] || exit 1\nshift\nexec "$@"\n'
UPDATE = "noninteractive update"
INSTALL = "noninteractive install -y chromium"


class Machine:
    """A folder that is the whole PATH."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("sh", "env", "dirname", "touch", "chmod", "tail", "mv", "true"):
            (folder / name).symlink_to(next(p for p in ("/bin/", "/usr/bin/") if os.path.exists(p + name)) + name)

    def program(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    @property
    def commands(self):
        told = self.folder / "commands"
        return told.read_text().splitlines() if told.exists() else []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A Debian without a browser, on which we are root."""
    monkeypatch.delenv("DUET_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "PLACES", {})
    monkeypatch.setattr(browser, "RETRY_AFTER", 0)
    monkeypatch.setattr(browser, "chromium_package", lambda: "chromium")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine = Machine(tmp_path)
    machine.program("apt-get", APT)
    return machine


def test_the_lists_are_read_first_and_a_second_call_does_nothing(machine):
    browser.install_browser()
    assert machine.commands == [UPDATE, INSTALL]
    assert browser.find_browser() == str(machine.folder / "chromium")
    browser.install_browser()
    assert len(machine.commands) == 2


@pytest.mark.parametrize(("failures", "tried"), [(1, [UPDATE]), (2, None)])
def test_it_is_tried_twice_and_then_the_reason_is_told(machine, failures, tried):
    (machine.folder / "failures").write_text("E: Could not get lock\n" * failures)
    if tried:
        browser.install_browser()
        assert machine.commands == [*tried, UPDATE, INSTALL]
        return
    with pytest.raises(HostError, match=r"^chromium was not installed. apt-get says: E: Could not get lock$"):
        browser.install_browser()
    assert machine.commands == [UPDATE, UPDATE] and browser.find_browser() is None


def test_who_is_not_root_takes_sudo_without_a_password(machine, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.program("sudo", SUDO)
    browser.install_browser()
    assert machine.commands == [UPDATE, INSTALL]


@pytest.mark.parametrize("sudo", [None, "#!/bin/sh\nexit 1\n"])
def test_who_may_not_is_told_the_command(machine, monkeypatch, sudo):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if sudo:
        machine.program("sudo", sudo)
    with pytest.raises(HostError, match=r"sudo apt-get update && sudo apt-get install -y chromium\."):
        browser.install_browser()
    assert machine.commands == []


@pytest.mark.parametrize(
    ("system", "words"), [("darwin", "Chrome.*brew"), ("win32", "winget"), ("linux", "Chromium with")]
)
def test_other_systems_get_a_sentence(machine, monkeypatch, system, words):
    (machine.folder / "apt-get").unlink()
    monkeypatch.setattr(browser, "sys", SimpleNamespace(platform=system))
    with pytest.raises(HostError, match=f"^Install .*{words}.* run the tests again"):
        browser.install_browser()


def test_a_named_browser_that_is_not_there_is_no_reason_to_install(machine, monkeypatch):
    monkeypatch.setenv("DUET_BROWSER", "/nowhere/browser")
    with pytest.raises(HostError, match="'/nowhere/browser', which is no program"):
        browser.install_browser()
    assert machine.commands == []


def test_ubuntus_package_has_another_name(tmp_path):
    release = tmp_path / "os-release"
    assert browser.chromium_package(release) == "chromium"
    release.write_text('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n')
    assert browser.chromium_package(release) == "chromium-browser"
    release.write_text("ID=debian\n")
    assert browser.chromium_package(release) == "chromium"
