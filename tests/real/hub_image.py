"""An image whose server first fetches the model, by the client that vLLM itself uses.

It is the lab's small image with `huggingface_hub` of the lab's vLLM in it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.real.box import RealBox

IMAGE = "lab/fetching:1"
_SMALL = "lab/small:1"
_PACKAGES = "/usr/local/lib/python3.11/dist-packages"
_SERVER = '''#!/usr/bin/python3
"""Fetches as vLLM does (`download_weights_from_hf`), then is the small server."""
import os, sys
from huggingface_hub import snapshot_download

model = next(word for word in sys.argv[2:] if "/" in word)
print("Starting to load model " + model + "...", flush=True)
snapshot_download(model, allow_patterns=["*.safetensors"])
print("Loading safetensors checkpoint shards:   0% Completed | 0/3", flush=True)
os.execv("/usr/local/bin/vllm", ["vllm", *sys.argv[1:]])
'''
_DOCKERFILE = f"""FROM {_SMALL}
COPY packages {_PACKAGES}
COPY fetching /usr/local/bin/fetching
ENV PYTHONPATH={_PACKAGES} HF_HUB_DISABLE_PROGRESS_BARS=1 HF_HUB_DISABLE_TELEMETRY=1
ENTRYPOINT ["fetching", "serve"]
"""
# The files of a distribution and of all that it requires, as the installed packages name them.
_FILES = """
import importlib.metadata as found, json, re, sys
seen = set()
def need(name):
    if name in seen: return
    seen.add(name)
    for wanted in found.requires(name) or []:
        other = re.match(r"[\\w.-]+", wanted)[0]
        try: found.version(other)
        except found.PackageNotFoundError: continue
        if "extra ==" not in wanted: need(other)
need("huggingface_hub")
files = {str(file): str(file.locate()) for name in seen for file in found.files(name)}
json.dump({file: at for file, at in files.items() if not file.startswith("..")}, sys.stdout)
"""


def build(box: RealBox, lab: Path) -> None:
    """Have the image in the box. Does nothing when it is there."""
    if box.docker("images", "-q", IMAGE).strip():
        return
    box.docker("pull", _SMALL)
    with tempfile.TemporaryDirectory(prefix="gptoss-fetching-") as name:
        folder = Path(name)
        told = subprocess.check_output([str(lab / "vllm/bin/python"), "-c", _FILES], text=True)
        for file, at in json.loads(told).items():
            place = folder / "packages" / file
            if "__pycache__" not in file and Path(at).is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(at, place)
        (folder / "fetching").write_text(_SERVER)
        (folder / "fetching").chmod(0o755)
        (folder / "Dockerfile").write_text(_DOCKERFILE)
        box.run("env", "DOCKER_BUILDKIT=0", "docker", "build", "-q", "-t", IMAGE, str(folder))
