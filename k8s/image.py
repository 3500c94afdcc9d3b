#!/usr/bin/env python3
"""Makes what is released of the built module, in dist/, without a container engine; `--check` makes it twice and reads it
as those do who fetch it.

    farebox.wasm, farebox.wasm.gz      the module, and compressed for a ConfigMap
    farebox-VERSION.oci/ and .oci.tar  an OCI image layout with two images of it:
        VERSION            a layer with /plugin.wasm: for Istio, Envoy Gateway and image volumes
        VERSION-artifact   an artifact of two layers, configuration and module: Istio and Envoy Gateway take it too
    farebox.cdx.json                   what the module is made of, as CycloneDX
    SHA256SUMS                         of all of these files

The same module gives the same bytes, wherever and whenever this runs: nothing here has a time or a name of a machine.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid

PROJECT = pathlib.Path(__file__).resolve().parent.parent
DIST = PROJECT / "dist"
TARGET = "wasm32-wasip1"
WASM = PROJECT / "target" / TARGET / "release/farebox.wasm"
MODULE = "plugin.wasm"

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
WASM_CONFIG = "application/vnd.module.wasm.config.v1+json"
WASM_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def compressed(data: bytes) -> bytes:
    """With no time and no name in it."""
    return gzip.compress(data, compresslevel=9, mtime=0)


def archive(files: dict[str, bytes]) -> bytes:
    """A tar archive without anything that differs from one machine to the next."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Layout:
    """An OCI image layout that grows."""

    def __init__(self) -> None:
        self.files = {"oci-layout": compact({"imageLayoutVersion": "1.0.0"})}
        self.manifests: list[dict] = []

    def blob(self, kind: str, data: bytes) -> dict:
        name = digest(data)
        self.files["blobs/" + name.replace(":", "/")] = data
        return {"mediaType": kind, "digest": name, "size": len(data)}

    def image(self, tag: str, config: dict, layers: list[dict], annotations: dict[str, str]) -> None:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": layers,
            "annotations": annotations,
        }
        described = self.blob(MANIFEST, compact(manifest))
        self.manifests.append(described | {"annotations": {"org.opencontainers.image.ref.name": tag}})

    def whole(self) -> dict[str, bytes]:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests}
        return self.files | {"index.json": compact(index)}


def layout(wasm: bytes, version: str, platform: str) -> dict[str, bytes]:
    """Both images, as the files of a layout."""
    made, (system, architecture) = Layout(), platform.split("/")
    named = {
        "org.opencontainers.image.title": "farebox",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    }
    plain = archive({MODULE: wasm})
    # Nothing in it is for a platform, but a kubelet that mounts it wants its own to be named.
    config = {
        "architecture": architecture,
        "os": system,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
        "history": [{"created_by": f"COPY farebox.wasm /{MODULE}"}],
    }
    layer = made.blob(LAYER, compressed(plain))
    variant = {"module.wasm.image/variant": "compat"}
    made.image(version, made.blob(IMAGE_CONFIG, compact(config)), [layer], named | variant)

    # Exactly two, and the module comes last: whoever fetches it looks there, and counts.
    layers = [made.blob(WASM_CONFIG, compact({"type": "envoy_proxy", "version": version})), made.blob(WASM_LAYER, wasm)]
    made.image(f"{version}-artifact", made.blob(WASM_CONFIG, compact({})), layers, named)
    return made.whole()


def cargo_metadata() -> dict:
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={TARGET}"]
    return json.loads(subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout)


def checksums() -> dict[tuple[str, str], str]:
    """What Cargo.lock says of every crate that comes from a registry."""
    import tomllib

    lock = tomllib.loads((PROJECT / "Cargo.lock").read_text())
    return {(one["name"], one["version"]): one["checksum"] for one in lock["package"] if "checksum" in one}


def bill_of_materials(wasm: bytes, version: str) -> bytes:
    """The crates that the module is made of, as CycloneDX. What only builds or tests it is not in it."""
    metadata, sums = cargo_metadata(), checksums()
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(identity for identity, package in packages.items() if package["name"] == "farebox-filter")

    def needs(identity: str) -> list[str]:
        used = (dep for dep in nodes[identity]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"]))
        return sorted(dep["pkg"] for dep in used)

    seen, todo = {root}, [root]
    while todo:
        new = [identity for identity in needs(todo.pop()) if identity not in seen]
        seen.update(new)
        todo += new

    def reference(identity: str) -> str:
        package = packages[identity]
        return f"pkg:cargo/{package['name']}@{package['version']}"

    def component(identity: str) -> dict:
        package = packages[identity]
        found: dict = {"type": "library", "bom-ref": reference(identity), "purl": reference(identity)}
        found |= {"name": package["name"], "version": package["version"]}
        if package.get("license"):
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        checksum = sums.get((package["name"], package["version"]))
        if checksum:
            found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return found

    main: dict = {"type": "application", "bom-ref": reference(root), "name": "farebox.wasm", "version": version}
    main["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(wasm).hexdigest()}]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main},
        "components": [component(identity) for identity in sorted(seen - {root}, key=reference)],
        "dependencies": [
            {"ref": reference(identity), "dependsOn": sorted(map(reference, needs(identity)))}
            for identity in sorted(seen, key=reference)
        ],
    }
    # A number of its own for each content, and the same for the same.
    content["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, compact(content).decode())}"
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def release(wasm: bytes, version: str, platform: str) -> dict[str, bytes]:
    """Every file of a release."""
    name = f"farebox-{version}.oci"
    image = layout(wasm, version, platform)
    files = {"farebox.wasm": wasm, "farebox.wasm.gz": compressed(wasm), f"{name}.tar": archive(image)}
    files["farebox.cdx.json"] = bill_of_materials(wasm, version)
    sums = (f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
    files["SHA256SUMS"] = "".join(sums).encode()
    return files | {f"{name}/{path}": data for path, data in image.items()}


def write(files: dict[str, bytes], folder: pathlib.Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


# ---- what those do who fetch the module ----


def fetched(files: dict[str, bytes], tag: str) -> bytes:
    """The module of the image `tag` in a layout, as Istio's agent and Envoy Gateway find it; every digest is checked."""

    def blob(described: dict) -> bytes:
        data = files["blobs/" + described["digest"].replace(":", "/")]
        assert len(data) == described["size"] and digest(data) == described["digest"], described
        return data

    index = json.loads(files["index.json"])
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    tags = {one["annotations"]["org.opencontainers.image.ref.name"]: one for one in index["manifests"]}
    manifest = json.loads(blob(tags[tag]))
    assert manifest["schemaVersion"] == 2 and manifest["mediaType"] == tags[tag]["mediaType"] == MANIFEST
    config, layers = blob(manifest["config"]), manifest["layers"]
    last = blob(layers[-1])
    if layers[-1]["mediaType"] == LAYER:
        plain = gzip.decompress(last)
        assert json.loads(config)["rootfs"]["diff_ids"] == [digest(plain)]
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            assert tar.getnames() == [MODULE], tar.getnames()
            return content(tar, tar.getmember(MODULE))
    # An artifact of one layer is refused, and so is one of three.
    assert [layer["mediaType"] for layer in layers] == [WASM_CONFIG, WASM_LAYER], layers
    return last


def read_archive(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: content(tar, entry) for entry in tar if entry.isfile()}


def content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(entry)
    assert file is not None, f"{entry.name} is not a file"
    return file.read()


def check(wasm: bytes, version: str, platform: str) -> None:
    """Raises AssertionError if somebody could not use what is released."""
    files = release(wasm, version, platform)
    assert files == release(wasm, version, platform), "it comes out differently the second time"
    assert wasm.startswith(b"\0asm\1\0\0\0"), "it is no module"
    for private in {str(PROJECT), str(pathlib.Path.home()), os.environ.get("CARGO_HOME", "")} - {"", "/"}:
        assert private.encode() + b"/" not in wasm, f"the module names {private}: build it with make build"
    for name, data in files.items():
        if not name.endswith(".wasm"):
            assert str(PROJECT).encode() not in data, f"{name} names {PROJECT}"
    inside = f"farebox-{version}.oci/"
    folder = {name.removeprefix(inside): data for name, data in files.items() if name.startswith(inside)}
    assert read_archive(files[f"farebox-{version}.oci.tar"]) == folder
    for tag in (version, f"{version}-artifact"):
        assert fetched(folder, tag) == wasm, tag
    assert gzip.decompress(files["farebox.wasm.gz"]) == wasm
    # A ConfigMap has a megabyte, of which base64 takes a quarter.
    # A ConfigMap holds 1 MiB. Kubernetes counts bytes; counted here is what they are in the manifest, in base64.
    assert len(files["farebox.wasm.gz"]) * 4 / 3 < 1 << 20, "the module does not fit a ConfigMap"
    bill = json.loads(files["farebox.cdx.json"])
    names = {component["name"] for component in bill["components"]}
    assert {"farebox-core", "proxy-wasm", "serde_json"} <= names and "proptest" not in names, names
    assert len({component["bom-ref"] for component in bill["components"]}) == len(bill["components"])
    known = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {one for entry in bill["dependencies"] for one in [entry["ref"], *entry["dependsOn"]]} == known
    with tempfile.TemporaryDirectory() as place:
        write(files, pathlib.Path(place))
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=place, check=True, timeout=60)
    damaged = folder | {name: data[:-1] for name, data in folder.items() if len(data) == len(wasm)}
    try:
        fetched(damaged, f"{version}-artifact")
    except AssertionError:
        return
    raise AssertionError("a damaged module is not noticed")


def main() -> int:
    metadata = cargo_metadata()["packages"]
    version = next(package["version"] for package in metadata if package["name"] == "farebox-filter")
    platform = os.environ.get("PLATFORM") or "linux/amd64"
    wasm = WASM.read_bytes()
    if "--check" in sys.argv[1:]:
        check(wasm, version, platform)
        print("  both images hold the module, and all of it comes out the same twice")
        return 0
    files = release(wasm, version, platform)
    write(files, DIST)
    print(files["SHA256SUMS"].decode(), end="")
    index = json.loads(files[f"farebox-{version}.oci/index.json"])
    for manifest in index["manifests"]:
        print(f"{manifest['digest']}  {manifest['annotations']['org.opencontainers.image.ref.name']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
