"""Renders the manifests: `python -m dev.manifests` writes them to build/manifests.

kustomize renders deploy/knative, helm renders deploy/helm; neither needs a cluster.
"""

import subprocess
import sys
from pathlib import Path

from dev.paths import CLONE
from dev.tools import ToolError, tool

KNATIVE = CLONE / "deploy/knative"
CHART = CLONE / "deploy/helm"
# With these values the chart renders what overlays/production does.
PRODUCTION = CHART / "examples/production.yaml"
KUSTOMIZATIONS = ("overlays/local", "overlays/production", "eventing")
# The oldest version that Knative 1.22 runs on. A helm built by `go build` assumes 1.20.
KUBERNETES = "1.34.0"
BUILT = CLONE / "build/manifests"


class RenderError(Exception):
    """kustomize or helm refuses its input; the text is its own."""


def kustomized(folder: Path) -> str:
    """What `kubectl apply -k FOLDER` would apply."""
    return _output(tool("kustomize"), "build", folder)


def templated(*arguments: str | Path, release: str = "mentor") -> str:
    """What `helm install RELEASE CHART --namespace mathtrail ARGUMENTS` would apply."""
    place = ("--namespace=mathtrail", f"--kube-version={KUBERNETES}")
    return _output(tool("helm"), "template", release, CHART, *place, *arguments)


def _output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RenderError(done.stderr.strip())
    return done.stdout


def main() -> int:
    """Return the exit code: 1 when something can't be rendered."""
    BUILT.mkdir(parents=True, exist_ok=True)
    try:
        for name in KUSTOMIZATIONS:
            _write(f"knative-{Path(name).name}.yaml", kustomized(KNATIVE / name))
        _write("helm.yaml", templated("--values", PRODUCTION))
    except (RenderError, ToolError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _write(name: str, manifests: str) -> None:
    (BUILT / name).write_text(manifests, encoding="utf-8")
    print(f"build/manifests/{name}")


if __name__ == "__main__":
    sys.exit(main())
