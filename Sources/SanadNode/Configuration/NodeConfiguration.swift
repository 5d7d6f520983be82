public import SanadCore

/// What one node is, where its faces are, and how it replicates: the file, checked.
///
/// Every key with its type, default and range: `docs/formats/configuration.md`.
public struct NodeConfiguration: Sendable, Equatable {
    public struct Cluster: Sendable, Equatable {
        public var id: Identifier
        /// For people only.
        public var name: String?
    }

    public enum InitialRole: String, Sendable {
        case primary
        case standby
    }

    public struct Node: Sendable, Equatable {
        public var name: NodeName
        /// Read only while the store is empty.
        public var initialRole: InitialRole
    }

    public struct Store: Sendable, Equatable {
        public var directory: String
        public var memtableBytes: Int
        public var segmentBytes: Int
    }

    /// How much log is kept.
    public struct Retention: Sendable, Equatable {
        public var minimumAge: Span
        public var maximumBytes: UInt64
        public var freeBytes: UInt64
    }

    /// Programs of the operator's own, run at a promotion; absolute paths.
    public struct Hooks: Sendable, Equatable {
        public var vetoCommand: String?
        public var eventCommand: String?
        public var timeout: Span
    }

    public struct Peer: Sendable, Equatable {
        public var name: NodeName
        public var address: Endpoint
        /// The peer's records API, told to clients; without a trailing slash.
        public var recordsURL: String?
    }

    public struct Link: Sendable, Equatable {
        public var listen: Endpoint
        public var certificate: String
        public var privateKey: String
        public var authority: String
        public var windowBytes: Int
    }

    public enum ReplicationMode: String, Sendable {
        case sync
        case async
    }

    public enum StandbyLoss: String, Sendable {
        case degrade
        case block
    }

    public struct Replication: Sendable, Equatable {
        public var mode: ReplicationMode
        public var onStandbyLoss: StandbyLoss
    }

    /// The witness, as a data node reaches it.
    public struct Witness: Sendable, Equatable {
        public var name: NodeName
        public var address: Endpoint
    }

    /// The etcd cluster, as a data node reaches it.
    public struct Etcd: Sendable, Equatable {
        public var endpoints: [Endpoint]
        public var authority: String
        public var certificate: String
        public var privateKey: String
        /// Ends with a slash.
        public var prefix: String
    }

    /// The third voice.
    public enum Arbiter: Sendable, Equatable {
        case none
        case witness(Witness)
        case etcd(Etcd)
    }

    public enum FailoverMode: String, Sendable {
        case automatic
        case observe
        case manual
    }

    public struct Failover: Sendable, Equatable {
        public var mode: FailoverMode
        public var heartbeat: Span
        public var lease: Span
        /// Difference of the two hosts' clock rates, in parts per million.
        public var driftPartsPerMillion: UInt64
        /// In `async`: acknowledged transactions that a standby may lack and promote itself.
        public var maxLoss: UInt64 = 0
        /// Nil: the lease.
        public var degradeAfter: Span?

        /// How long the granter waits before its grant counts as expired: lease × (1 + drift),
        /// rounded up.
        public var grantWait: Span { lease.withDrift(partsPerMillion: driftPartsPerMillion) }
    }

    /// Certificate and key of a face that speaks HTTPS.
    public struct TLSFiles: Sendable, Equatable {
        public var certificate: String
        public var privateKey: String
    }

    public struct Records: Sendable, Equatable {
        public var listen: Endpoint
        /// Nil: plain HTTP.
        public var tls: TLSFiles?
        public var queueRequests: Int

        /// This node's records API for clients; nil when it listens on every interface, since only
        /// the peer's `peer.records_url` says then how clients reach it.
        public var url: String? {
            listen.isWildcard ? nil : "\(tls == nil ? "http" : "https")://\(listen)"
        }
    }

    public struct Operations: Sendable, Equatable {
        public var listen: Endpoint
        /// Nil: plain HTTP.
        public var tls: TLSFiles?
    }

    public struct Control: Sendable, Equatable {
        public var socketPath: String
    }

    public enum LogLevel: String, Sendable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
        case critical
    }

    public enum LogFormat: String, Sendable {
        case text
        case json
    }

    public struct Log: Sendable, Equatable {
        public var level: LogLevel
        public var format: LogFormat
    }

    public var cluster: Cluster
    public var node: Node
    public var store: Store
    public var retention: Retention
    public var peer: Peer
    public var link: Link
    public var replication: Replication
    public var arbiter: Arbiter
    public var failover: Failover
    public var hooks: Hooks
    public var records: Records
    public var operations: Operations
    public var control: Control
    public var log: Log
}

/// A configuration that can be used, and what an operator should still know about it.
public struct ConfigurationReading: Sendable, Equatable {
    /// One key as it holds: from the file, or by default.
    public struct Setting: Sendable, Equatable {
        public var name: String
        /// As written in the file; nil when the key is absent and has no default.
        public var text: String?
        /// Nil when the default holds.
        public var line: Int?
    }

    public var configuration: NodeConfiguration
    public var warnings: [ConfigurationProblem]
    /// Every key, in the order of the reference.
    public var settings: [Setting]
}
