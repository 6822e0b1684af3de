// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
    name: "nats-storage",
    products: [
        .executable(name: "nats-storage", targets: ["nats-storage"]),
        .library(name: "Storage", targets: ["Storage"]),
        .library(name: "FileStorage", targets: ["FileStorage"]),
        .library(name: "SQLiteStorage", targets: ["SQLiteStorage"]),
        .library(name: "NATS", targets: ["NATS"]),
        .library(name: "JetStreamStorage", targets: ["JetStreamStorage"]),
        .library(name: "S3Storage", targets: ["S3Storage"]),
        .library(name: "GCSStorage", targets: ["GCSStorage"]),
        .library(name: "StorageService", targets: ["StorageService"]),
        .library(name: "StorageClient", targets: ["StorageClient"]),
        .library(name: "StorageLayers", targets: ["StorageLayers"]),
        .library(name: "StorageSnapshot", targets: ["StorageSnapshot"]),
        .library(name: "TieredStorage", targets: ["TieredStorage"]),
        .library(name: "Waiting", targets: ["Waiting"]),
        .library(name: "StorageConformance", targets: ["StorageConformance"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        .target(name: "Encodings", swiftSettings: strict),
        .target(name: "Waiting", dependencies: [deque], swiftSettings: strict),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl"])]),
        .systemLibrary(name: "CMalloc"),
        .target(
            name: "Storage", dependencies: ["Encodings", "Waiting", "COpenSSL", "CMalloc", crypto, deque],
            swiftSettings: strict),
        .target(name: "CFiles"),
        .target(name: "FileStorage", dependencies: ["Storage", "CFiles", deque, crypto], swiftSettings: strict),
        .target(name: "CSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "SQLiteStorage", dependencies: ["Storage", "Encodings", "CSQLite", grdb, grdbSQLite, crypto],
            swiftSettings: strict),
        .systemLibrary(
            name: "CNATS", pkgConfig: "libnats", providers: [.apt(["libnats-dev"]), .brew(["cnats"])]),
        .target(
            name: "NATS", dependencies: ["CNATS", "Encodings", "Waiting", logging, deque, crypto],
            swiftSettings: strict),
        .target(
            name: "JetStreamStorage",
            dependencies: ["Storage", "Encodings", "Waiting", "NATS", logging, crypto, deque],
            swiftSettings: strict),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
        .target(name: "HTTP", dependencies: ["CCurl", "Encodings", "Waiting"], swiftSettings: strict),
        .target(name: "HTTPStorage", dependencies: ["Storage", "Encodings", "HTTP", crypto], swiftSettings: strict),
        .target(
            name: "S3Storage", dependencies: ["Storage", "Encodings", "HTTP", "HTTPStorage", logging, crypto],
            swiftSettings: strict),
        .target(
            name: "GCSStorage", dependencies: ["Storage", "Encodings", "HTTP", "HTTPStorage", crypto, cryptoExtras],
            swiftSettings: strict),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
        .target(name: "Compression", dependencies: ["CZlib", "CZstd"], swiftSettings: strict),
        .target(
            name: "StorageLayers",
            dependencies: ["Storage", "Encodings", "Waiting", "Compression", crypto, deque, metrics],
            swiftSettings: strict),
        .target(name: "TieredStorage", dependencies: ["Storage", deque], swiftSettings: strict),
        .target(name: "StorageConformance", dependencies: ["Storage"], swiftSettings: strict),
        .target(name: "StorageWire", dependencies: ["Storage", "Encodings"], swiftSettings: strict),
        .target(
            name: "StorageSnapshot", dependencies: ["Storage", "StorageWire", "Encodings", deque],
            swiftSettings: strict),
        .target(
            name: "StorageService",
            dependencies: [
                "Storage", "StorageWire", "NATS", "Encodings", "Waiting", logging, lifecycle, deque, metrics,
            ],
            swiftSettings: strict),
        .target(name: "PrometheusMetrics", dependencies: [metrics], swiftSettings: strict),
        .target(
            name: "StorageOperations",
            dependencies: [
                "Storage", "StorageService", "NATS", "PrometheusMetrics", "Encodings", "Waiting", logging, lifecycle,
                metrics,
            ],
            resources: [
                .embedInCode("Page/index.html"), .embedInCode("Page/page.css"), .embedInCode("Page/page.js"),
            ],
            swiftSettings: strict),
        .target(
            name: "StorageClient", dependencies: ["Storage", "StorageWire", "NATS", crypto], swiftSettings: strict),
        .target(
            name: "StorageConfiguration",
            dependencies: [
                "Storage", "StorageWire", "Encodings", "NATS", "JetStreamStorage", "FileStorage", "SQLiteStorage",
                "S3Storage", "GCSStorage", "HTTP", "StorageService", "StorageLayers", "TieredStorage",
                "StorageOperations",
                crypto, logging, yams,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "nats-storage",
            dependencies: [
                "Storage", "StorageWire", "NATS", "StorageService", "StorageClient", "StorageConfiguration",
                "JetStreamStorage", "FileStorage", "SQLiteStorage", "S3Storage", "GCSStorage", "StorageConformance",
                "StorageSnapshot", "StorageOperations", "PrometheusMetrics", "Waiting", logging, lifecycle, signals,
                arguments, metrics,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "store-bench",
            dependencies: [
                "Storage", "FileStorage", "SQLiteStorage", "NATS", "JetStreamStorage", "StorageClient", "StorageLayers",
                "S3Storage", "TieredStorage", "Waiting", "Compression", crypto, logging, arguments,
            ],
            path: "Benchmarks/store-bench", swiftSettings: strict),
        .target(name: "TestSupport", dependencies: ["Storage", "NATS"], path: "Tests/Support", swiftSettings: strict),
        .testTarget(
            name: "StorageTests", dependencies: ["Storage", "Encodings", "Waiting", "TestSupport"],
            swiftSettings: strict),
        .executableTarget(
            name: "store-writer", dependencies: ["FileStorage", "SQLiteStorage", "Storage"], path: "Tests/StoreWriter",
            swiftSettings: strict),
        .testTarget(
            name: "FileStorageTests",
            dependencies: [
                "FileStorage", "Storage", "StorageLayers", "StorageConformance", "TestSupport", "store-writer",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SQLiteStorageTests",
            dependencies: ["SQLiteStorage", "Storage", "StorageConformance", "TestSupport", "store-writer", grdb],
            swiftSettings: strict),
        .testTarget(
            name: "JetStreamStorageTests", dependencies: ["JetStreamStorage", "Encodings", "TestSupport", logging],
            swiftSettings: strict),
        .testTarget(
            name: "StorageConfigurationTests",
            dependencies: [
                "StorageConfiguration", "StorageLayers", "FileStorage", "SQLiteStorage", "S3Storage", "GCSStorage",
                "HTTP", "StorageOperations", "StorageService", "StorageWire", "JetStreamStorage", "Storage", "NATS",
                logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "StorageClientTests",
            dependencies: ["StorageClient", "Storage", "NATS", "TestSupport", "nats-storage"],
            swiftSettings: strict),
        .testTarget(
            name: "StorageLayersTests",
            dependencies: [
                "StorageLayers", "StorageConformance", "Compression", "Storage", "TestSupport", crypto, metrics,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TieredStorageTests", dependencies: ["TieredStorage", "StorageLayers", "Storage", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "StorageSnapshotTests",
            dependencies: [
                "StorageSnapshot", "StorageLayers", "JetStreamStorage", "Storage", "NATS", "TestSupport",
                "nats-storage",
                logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "StorageConformanceTests",
            dependencies: [
                "StorageConformance", "Storage", "StorageLayers", "TieredStorage", "JetStreamStorage", "StorageService",
                "StorageClient", "StorageConfiguration", "NATS", "TestSupport", logging, lifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "StorageServiceTests",
            dependencies: [
                "StorageService", "StorageWire", "Storage", "Encodings", "StorageLayers", "NATS", "TestSupport",
                logging, lifecycle, metrics,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PrometheusMetricsTests", dependencies: ["PrometheusMetrics", "TestSupport", metrics],
            swiftSettings: strict),
        .testTarget(
            name: "StorageOperationsTests",
            dependencies: ["StorageOperations", "PrometheusMetrics", "NATS", "TestSupport", "nats-storage", logging],
            exclude: ["page.py"], swiftSettings: strict),
        .testTarget(
            name: "HTTPTests", dependencies: ["HTTP", "Waiting", "TestSupport"], exclude: ["server.py"],
            swiftSettings: strict),
        .testTarget(
            name: "S3StorageTests",
            dependencies: [
                "S3Storage", "HTTPStorage", "Storage", "StorageLayers", "StorageConformance", "HTTP", "Encodings",
                "TestSupport", logging,
            ],
            exclude: ["openstack.py", "server.py"], swiftSettings: strict),
        .testTarget(
            name: "GCSStorageTests",
            dependencies: ["GCSStorage", "Storage", "StorageConformance", "HTTP", "TestSupport"],
            exclude: ["server.py"], swiftSettings: strict),
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "Storage", "FileStorage", "SQLiteStorage", "NATS", "JetStreamStorage", "S3Storage", "GCSStorage",
                "TieredStorage", "StorageLayers", "StorageSnapshot", "StorageConformance", "StorageClient",
                "StorageService", "Waiting", "TestSupport", "nats-storage", crypto, logging, lifecycle, signals,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DeploymentTests",
            dependencies: ["StorageClient", "Storage", "NATS", "TestSupport", "nats-storage"],
            exclude: ["checks.py", "dashboard.py"], swiftSettings: strict),
        .testTarget(
            name: "NATSTests", dependencies: ["NATS", "Waiting", "TestSupport", crypto, logging], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
