#!/usr/bin/env bash
# Builds a control plane's programs from Go modules, each at one pinned version: etcd, kube-apiserver and kubectl, istiod with Istio's
# agent, Envoy Gateway. Nothing but Go and the module proxy is needed. What is built already is left alone.
#
#     k8s/mesh/build.sh [etcd kube istio gateway]
set -euo pipefail
cd "$(dirname "$0")/../.."
. k8s/mesh/versions
MESH=${MESH:-$PWD/.mesh}
mkdir -p "$MESH/bin" "$MESH/src"
modules=$(go env GOMODCACHE)
# Nothing reads the debugging information; without it the build's cache is half as large. EACH lets a build run by pieces: an
# interrupted one goes on where it was.
compile() { ${EACH:-} env CGO_ENABLED=0 GOFLAGS="-buildvcs=false ${MODE:-}" go build -trimpath -gcflags=all=-dwarf=false "$@"; }
there() { for program in "$@"; do [ -x "$MESH/bin/$program" ] || return 1; done; }

# Its main package is in no module that can be installed.
etcd() {
  there etcd && return
  mkdir -p "$MESH/src/etcd" && cd "$MESH/src/etcd"
  printf 'module mesh/etcd\n\ngo 1.26\n' > go.mod
  printf 'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' > main.go
  GOFLAGS=-mod=mod go get "go.etcd.io/etcd/server/v3@$ETCD"
  GOFLAGS=-mod=mod go mod tidy
  MODE=-mod=mod compile -ldflags='-s -w' -o "$MESH/bin/etcd" .
}

# Kubernetes replaces its staging modules by folders that the module's archive lacks: each is replaced by the published one.
kube() {
  there kube-apiserver kubectl && return
  local at minor=${KUBE#v1.}
  at=$(go mod download -json "k8s.io/kubernetes@$KUBE" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  mkdir -p "$MESH/src/kube" && cd "$MESH/src/kube"
  {
    printf 'module mesh/kube\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/kubernetes %s\n' "$KUBE"
    printf 'tool (\n\tk8s.io/kubernetes/cmd/kube-apiserver\n\tk8s.io/kubernetes/cmd/kubectl\n)\n'
    sed -n "s#^\t\(k8s.io/[a-z-]*\) => ./staging.*#replace \1 => \1 v0.$minor#p" "$at/go.mod"
  } > go.mod
  install -m 644 "$at/go.sum" go.sum
  GOFLAGS=-mod=mod go mod tidy
  # A server without a version says 0.0.0 and refuses to start.
  local version=k8s.io/component-base/version
  for program in kubectl kube-apiserver; do
    there $program || MODE=-mod=mod compile -o "$MESH/bin/$program" \
      -ldflags="-s -w -X $version.gitVersion=$KUBE -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" "k8s.io/kubernetes/cmd/$program"
  done
}

# A module's archive may not be written to, and its charts and resources are needed: a copy.
unpack() {
  go mod download "$1@$2"
  [ -f "$MESH/src/$3/go.mod" ] || { mkdir -p "$MESH/src/$3" && cp -r "$modules/$1@$2/." "$MESH/src/$3" && chmod -R u+w "$MESH/src/$3"; }
  cd "$MESH/src/$3"
}

istio() {
  unpack istio.io/istio "$ISTIO" istio
  local version=istio.io/istio/pkg/version tag
  tag=$(cat VERSION)-${ISTIO##*-}
  for program in pilot-agent pilot-discovery; do
    there $program || compile -tags=vtprotobuf -o "$MESH/bin/$program" \
      -ldflags="-s -w -X $version.buildVersion=$tag -X $version.buildTag=$tag -X $version.buildStatus=Clean" "./pilot/cmd/$program"
  done
}

gateway() {
  unpack github.com/envoyproxy/gateway "$GATEWAY" gateway
  there envoy-gateway || compile -o "$MESH/bin/envoy-gateway" \
    -ldflags="-s -w -X github.com/envoyproxy/gateway/internal/cmd/version.envoyGatewayVersion=$GATEWAY" ./cmd/envoy-gateway
}

( unpack sigs.k8s.io/gateway-api "$GATEWAY_API" gateway-api )
for name in "${@:-etcd kube istio gateway}"; do
  for one in $name; do ( "$one" ); done
done
