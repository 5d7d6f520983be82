// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: Swift 6 mode, warnings are errors, and the language's own next defaults.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "sanad",
    products: [
        .executable(name: "sanadd", targets: ["sanadd"]),
        .executable(name: "sanadctl", targets: ["sanadctl"]),
        .executable(name: "sanad-bench", targets: ["sanad-bench"]),
        .executable(name: "sanad-sim", targets: ["sanad-sim"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CGlibc"),
        .target(name: "SanadCore", dependencies: ["COpenSSL"], swiftSettings: strict),
        .target(
            name: "SanadStore", dependencies: ["SanadCore", "CSQLite", "CGlibc"],
            swiftSettings: strict),
        .target(
            name: "SanadLink", dependencies: ["SanadCore", "COpenSSL", "CLZ4"],
            swiftSettings: strict),
        .target(
            name: "SanadNode",
            dependencies: [
                "SanadCore", "SanadStore", "SanadLink",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ], swiftSettings: strict),
        .target(
            name: "SanadSimulator", dependencies: ["SanadCore"], swiftSettings: strict),
        .executableTarget(
            name: "sanad-sim",
            dependencies: [
                "SanadSimulator",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "sanadd",
            dependencies: [
                "SanadNode", "SanadCore", "CGlibc",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "sanadctl",
            dependencies: [
                "SanadCore", "SanadStore", "SanadLink", "SanadNode",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "sanad-bench",
            dependencies: [
                "SanadCore",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        // What several test targets share; no product has it.
        .target(
            name: "SanadTestSupport", path: "Tests/SanadTestSupport", swiftSettings: strict),
        .testTarget(name: "SanadCoreTests", dependencies: ["SanadCore"], swiftSettings: strict),
        .testTarget(
            name: "SanadSimulatorTests", dependencies: ["SanadSimulator", "SanadCore"],
            swiftSettings: strict),
        .testTarget(
            name: "SanadStoreTests", dependencies: ["SanadStore", "SanadTestSupport"],
            swiftSettings: strict),
        .testTarget(name: "SanadLinkTests", dependencies: ["SanadLink"], swiftSettings: strict),
        .testTarget(
            name: "SanadNodeTests",
            dependencies: [
                "SanadNode", "SanadLink", "SanadStore", "SanadCore", "SanadTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .testTarget(
            name: "SanadCtlTests",
            dependencies: [
                "sanadctl", "SanadNode", "SanadStore", "SanadCore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .testTarget(
            name: "SanadBenchTests", dependencies: ["sanad-bench"], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "SanadCore", "SanadLink", "SanadNode", "SanadTestSupport", "sanadd", "sanadctl",
                "sanad-bench",
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
