#!/usr/bin/env bash
# Builds a package that depends on this one by URL and tag, as a service would, and classifies with it. Shows what it had to
# fetch: nothing of the server.
#   tools/check_package.sh               the commit that is checked out, as version 0.1.0 of a clone
#   tools/check_package.sh URL TAG       a published version
#   tools/check_package.sh --tutorial    besides, the service that the tutorial ends in: builds it, asks it, stops it
# Where the checkout can't be cloned, the exit status is 77.
set -euo pipefail
cd "$(dirname "$0")/.."

root="$PWD"
work="$(mktemp -d)"
server=""
end() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap end EXIT
tutorial=""
if [ "${1:-}" = --tutorial ]; then
  tutorial=yes
  shift
fi
if [ $# -eq 2 ]; then
  url="$1" tag="$2"
else
  tag="0.1.0"
  git clone --quiet "file://$root" "$work/swift-rbn" || {
    echo "SKIPPED: there is no repository to clone" >&2
    exit 77
  }
  git -C "$work/swift-rbn" -c user.name=check -c user.email=check@localhost tag --force "$tag"
  url="file://$work/swift-rbn"
fi
model="$root/fixtures/efficientnet-lite0/efficientnet-lite0.rbn"
photo="$root/fixtures/photos/chelsea.jpg"

# Whether what was said names the animal in the photograph.
check_answer() {
  echo "$1"
  case "$1" in
    *cat* | *tabby*) ;;
    *)
      echo "that is no cat" >&2
      exit 1
      ;;
  esac
}

echo "== a package that depends on RBNRuntime"
mkdir -p "$work/client/Sources/client"
cat >"$work/client/Package.swift" <<MANIFEST
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "client",
  platforms: [.macOS(.v15)],
  dependencies: [.package(url: "$url", exact: "$tag")],
  targets: [
    .executableTarget(name: "client", dependencies: [.product(name: "RBNRuntime", package: "swift-rbn")])
  ])
MANIFEST
cat >"$work/client/Sources/client/main.swift" <<'SOURCE'
import RBNRuntime

let model = try await Model.load(contentsOf: CommandLine.arguments[1])
let classifier = try ImageClassifier(model: model)
let predictor = try await BatchingPredictor(model: model)
for path in CommandLine.arguments.dropFirst(2) {
  let best = try await classifier.classify(imageAt: path, topK: 1)
  print(best.map(\.identifier).joined(), "\(best.map(\.confidence))", predictor.soloReason ?? "batches")
}
SOURCE
cd "$work/client"
swift package resolve
echo "fetched: $(ls .build/checkouts | tr '\n' ' ')"
if grep -E '"(identity|location)".*(hummingbird|swift-nio|async-http-client)' Package.resolved; then
  echo "the package resolves parts of the server" >&2
  exit 1
fi
swift build -c release
check_answer "$(.build/release/client "$model" "$photo")"
[ -n "$tutorial" ] || exit 0

echo "== the service that the tutorial ends in"
steps="$root/Sources/RBNRuntime/RBNRuntime.docc/Tutorials"
mkdir -p "$work/service/Sources/photo-service"
cd "$work/service"
sed "s|https://github.com/swift-rbn/swift-rbn\", from: \"0.1.0\"|$url\", exact: \"$tag\"|" "$steps/service-01-Package.swift" >Package.swift
cp "$steps/service-06.swift" Sources/photo-service/Service.swift
swift build -c release
.build/release/photo-service "$model" &
server=$!
answer=""
for _ in $(seq 100); do
  answer="$(curl --silent --data-binary "@$photo" localhost:8080/classify)" && break
  sleep 0.1
done
check_answer "$answer"
kill -TERM "$server"
wait "$server"
server=""
echo "SIGTERM: exit status 0"
