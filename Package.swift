// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "swift-rbn",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "RBNRuntime", targets: ["RBNRuntime"]),
    .library(name: "RBNServing", targets: ["RBNServing"]),
    .executable(name: "rbn", targets: ["rbn"]),
    .executable(name: "rbn-server", targets: ["rbn-server"]),
  ],
  traits: [
    .trait(
      name: "Serving",
      description: "The library RBNServing and the executable rbn-server, with the HTTP server they need."),
    .trait(
      name: "TLS", description: "HTTPS for the server, with BoringSSL, which takes minutes to build.",
      enabledTraits: ["Serving"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    // Only targets under the trait Serving use these: without the trait they are neither fetched nor built.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0"),
  ],
  targets: [
    // System libraries.
    .systemLibrary(name: "CLibZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
    .systemLibrary(name: "CJSONC", pkgConfig: "json-c", providers: [.apt(["libjson-c-dev"])]),
    .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(
      name: "CLibDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CSPNG", pkgConfig: "spng", providers: [.apt(["libspng-dev"])]),

    // From bytes to tensors, one direction only; see the DocC article "Architecture".
    .target(name: "CRBNKernels"),
    .target(name: "RBNTensor"),
    .target(
      name: "RBNFormats", dependencies: ["RBNTensor", "CLibZip", "CLibDeflate", "CJSONC", "CLibCrypto"]),
    .target(name: "RBNGraph", dependencies: ["RBNTensor", "RBNFormats"]),
    .target(name: "RBNExecution", dependencies: ["RBNTensor", "RBNGraph", "CRBNKernels"]),
    .target(name: "RBNImage", dependencies: ["RBNTensor", "CTurboJPEG", "CSPNG"]),
    .target(
      name: "RBNRuntime",
      dependencies: [
        "RBNTensor", "RBNFormats", "RBNGraph", "RBNExecution", "RBNImage",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]),
    .target(
      name: "RBNServing",
      dependencies: [
        "RBNRuntime", "RBNFormats",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Serving"])),
        .product(name: "HummingbirdCore", package: "hummingbird", condition: .when(traits: ["Serving"])),
        .product(name: "HummingbirdTLS", package: "hummingbird", condition: .when(traits: ["TLS"])),
        .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Serving"])),
        .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["Serving"])),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: .when(traits: ["Serving"])),
      ],
      resources: [
        .embedInCode("Page/page.html"), .embedInCode("Page/page.css"), .embedInCode("Page/page.js"),
        .embedInCode("OpenAPI/openapi.json"),
      ]),
    .executableTarget(
      name: "rbn-server",
      dependencies: [
        "RBNRuntime", "RBNServing",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "rbn",
      dependencies: [
        "RBNRuntime",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // The parsers as fuzzing targets, and how their inputs are mutated; see tools/fuzz.sh.
    .target(
      name: "RBNFuzzing",
      dependencies: ["RBNTensor", "RBNFormats", "RBNGraph", "RBNExecution", "RBNImage"],
      path: "Tests/RBNFuzzing"),
    .testTarget(name: "RBNFuzzingTests", dependencies: ["RBNFuzzing"]),

    .testTarget(name: "RBNTensorTests", dependencies: ["RBNTensor"]),
    .testTarget(name: "RBNFormatsTests", dependencies: ["RBNFormats"]),
    .testTarget(name: "RBNGraphTests", dependencies: ["RBNGraph"]),
    .testTarget(name: "RBNExecutionTests", dependencies: ["RBNExecution", "RBNFormats", "CRBNKernels"]),
    .testTarget(name: "RBNImageTests", dependencies: ["RBNImage", "CLibCrypto"]),
    .testTarget(
      name: "RBNRuntimeTests",
      dependencies: [
        "RBNRuntime", "RBNFormats", "RBNGraph", "RBNExecution",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]),
    .testTarget(name: "RBNCommandTests", dependencies: ["RBNRuntime", "RBNFormats", "rbn", "rbn-server"]),
    .testTarget(
      name: "RBNServingTests",
      dependencies: [
        "RBNServing", "RBNRuntime", "rbn-server",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)

// libFuzzer brings a main function of its own, which nothing else here can be linked with.
if Context.environment["RBN_FUZZ"] != nil {
  package.targets += [
    .systemLibrary(name: "CLibFuzzer", path: "Tests/CLibFuzzer"),
    .executableTarget(
      name: "rbn-fuzz", dependencies: ["RBNFuzzing", "CLibFuzzer"], path: "Tests/RBNFuzz"),
  ]
  package.products.append(.executable(name: "rbn-fuzz", targets: ["rbn-fuzz"]))
}
