#!/usr/bin/env bash
# image.sh LAB: LAB/registry, the storage of a registry with three images. Does nothing when it is there.
#
#   vllm/vllm-openai:v0.32.0  Debian, the real vLLM of vllm.sh, and a tiny model in place of
#                             openai/gpt-oss-*: the entrypoint and the log are the real ones
#   lab/small:1               Debian and a stand-in server, in layers enough to interrupt a pull
#   lab/broken:1              Debian, and a server that ends while it loads
set -euo pipefail
lab=$1
here=$(cd "$(dirname "$0")" && pwd)
key=$(cat "$here"/{image.sh,vllm.sh,registry.py,tiny_model.py,vllm-shim,small-server} | sha256sum | cut -c 1-16)
[ -e "$lab/registry/.complete-$key" ] && exit 0
rm -rf "$lab/registry" "$lab/build"
mkdir -p "$lab/registry" "$lab/build/layers"
cd "$lab/build"

if [ ! -e "$lab/debian.tar" ]; then
    debootstrap --variant=minbase --include=python3,ca-certificates,libgomp1,libnuma1,libstdc++6,procps \
        bookworm debian >debootstrap.log 2>&1 || { tail -n 20 debootstrap.log >&2; exit 1; }
    rm -rf debian/var/cache/apt/* debian/var/lib/apt/lists/* debian/usr/share/doc debian/usr/share/locale
    tar -C debian --numeric-owner -cf "$lab/debian.tar.part" .
    mv "$lab/debian.tar.part" "$lab/debian.tar"
fi

# vLLM, without what a CPU never loads, for Debian's own Python of the same version.
site=$("$lab/vllm/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
home=usr/local/lib/python3.11/dist-packages
pack() { # LAYER [TAR_OPTIONS ...] NAMES...: a layer with these of the site-packages
    tar -C "$site" --numeric-owner --transform "s,^\.,$home," -cf "layers/$1.tar" "${@:2}"
}
pack torch --exclude './torch/include' --exclude './torch/test' ./torch
pack vllm ./vllm ./vllm-0.32.0.dist-info
pack packages --exclude ./torch --exclude ./vllm --exclude ./vllm-0.32.0.dist-info --exclude ./triton --exclude ./pip .

"$lab/vllm/bin/python" "$here/tiny_model.py" model/opt/tiny-gpt-oss >model.log 2>&1 || { cat model.log >&2; exit 1; }
install -D -m 0755 "$here/vllm-shim" model/usr/local/bin/vllm
tar -C model --numeric-owner -cf layers/model.tar .

install -D -m 0755 "$here/small-server" small/usr/local/bin/vllm
tar -C small --numeric-owner -cf layers/small.tar .
for number in 1 2 3; do
    mkdir -p "ballast$number/opt"
    head -c 6000000 /dev/urandom >"ballast$number/opt/ballast$number"
    tar -C "ballast$number" -cf "layers/ballast$number.tar" .
done

config='{"Entrypoint":["vllm","serve"],"WorkingDir":"/vllm-workspace","ExposedPorts":{"8000/tcp":{}},
    "Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}'
python3 "$here/registry.py" "$lab/registry" vllm/vllm-openai:v0.32.0 "$config" \
    "$lab/debian.tar" layers/torch.tar layers/vllm.tar layers/packages.tar layers/model.tar
python3 "$here/registry.py" "$lab/registry" lab/small:1 "$config" \
    "$lab/debian.tar" layers/ballast1.tar layers/ballast2.tar layers/ballast3.tar layers/small.tar
config='{"Entrypoint":["/bin/sh","-c","echo ValueError: this image is broken; exit 3"]}'
python3 "$here/registry.py" "$lab/registry" lab/broken:1 "$config" "$lab/debian.tar"
rm -rf "$lab/build"
touch "$lab/registry/.complete-$key"
