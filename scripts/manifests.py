"""Writes the single files of k8s/ from its overlays: for those who apply files, and do not use kustomize.

``python scripts/manifests.py`` writes them; ``rendered()`` gives their text, which a test compares.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from scripts.provision import tool  # noqa: E402

K8S: Final = ROOT / "k8s"
Manifest = dict[str, Any]


def build(directory: Path) -> list[Manifest]:
    """The objects that ``kubectl kustomize`` makes of a directory. Raises CalledProcessError."""
    command = [str(tool("kubectl")), "kustomize", str(directory)]
    said = subprocess.run(command, check=True, text=True, capture_output=True)
    return [one for one in yaml.safe_load_all(said.stdout) if one is not None]


def _is(kind: str, name: str | None = None) -> Callable[[Manifest], bool]:
    return lambda one: one["kind"] == kind and name in (None, one["metadata"]["name"])


# The first file whose test is true has the object.
FILES: Final[dict[str, dict[str, Callable[[Manifest], bool]]]] = {
    "sidecar": {"sidecar-deployment.yaml": lambda one: True},
    "daemonset": {
        "daemonset-metrics-service.yaml": _is("Service", "exporter"),
        "daemonset-service.yaml": _is("Service", "app"),
        "daemonset-netpol.yaml": _is("NetworkPolicy"),
        "sidecar-daemonset.yaml": lambda one: True,
    },
}


def rendered() -> dict[str, str]:
    """The text of each file, by its name."""
    texts = {}
    for overlay, files in FILES.items():
        objects: dict[str, list[Manifest]] = {name: [] for name in files}
        for one in build(K8S / "overlays" / overlay):
            objects[next(name for name, takes in files.items() if takes(one))].append(one)
        for name, found in objects.items():
            head = f"# Made from k8s/overlays/{overlay} by `make manifests`: change that, not this.\n"
            texts[name] = head + yaml.safe_dump_all(found, sort_keys=False, width=120)
    return texts


def main() -> int:
    for name, text in rendered().items():
        (K8S / name).write_text(text)
        print(K8S / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
