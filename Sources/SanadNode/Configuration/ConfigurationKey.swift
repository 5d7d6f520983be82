import SanadCore

/// What a key's value looks like.
enum ConfigurationKind: Sendable {
    case text
    case identifier
    case nodeName
    case host
    case port
    case url
    case path
    case socketPath
    /// Absolute: an executable file, run without a shell.
    case program
    case endpoint
    /// `refused` holds values that a reader may expect, each with the reason why it is not taken.
    case choice([String], refused: [String: String] = [:])
    case duration(ClosedRange<Span>)
    case bytes(ClosedRange<UInt64>)
    /// In parts per million.
    case percentage(ClosedRange<UInt64>)
    case count(ClosedRange<UInt64>)
    /// A YAML list with so many different elements.
    case nodeNames(ClosedRange<Int>)
    case endpoints(ClosedRange<Int>)

    /// True for what is written as a YAML list.
    var isList: Bool {
        switch self {
        case .nodeNames, .endpoints: true
        default: false
        }
    }
}

/// What a process is in its cluster.
enum ConfigurationRole: String, Sendable {
    case data
    case witness
}

/// One key of the configuration: the only place that knows its type, default and range.
///
/// The parser, `sanadctl config keys` and `docs/formats/configuration.md` come from this table.
public struct ConfigurationKey: Sendable {
    /// What is used when the key is not in the file.
    enum Fallback: Sendable {
        case value(String)
        case required
        case absent
    }

    /// Full name, for example `failover.lease`.
    public let name: String
    let kind: ConfigurationKind
    let fallback: Fallback
    /// One sentence for the operator.
    public let meaning: String

    init(_ name: String, _ kind: ConfigurationKind, _ fallback: Fallback, _ meaning: String) {
        self.name = name
        self.kind = kind
        self.fallback = fallback
        self.meaning = meaning
    }

    /// The type, in the words of the reference.
    public var typeText: String {
        switch kind {
        case .text: "text"
        case .identifier: "UUID"
        case .nodeName: "node name"
        case .host: "host name or address"
        case .port: "port"
        case .url: "URL"
        case .path, .socketPath, .program: "path"
        case .endpoint: "host:port"
        case .choice: "choice"
        case .duration: "duration"
        case .bytes: "size"
        case .percentage: "percentage"
        case .count: "count"
        case .nodeNames: "list of node names"
        case .endpoints: "list of host:port"
        }
    }

    /// The default, in the words of the reference.
    public var defaultText: String {
        switch fallback {
        case .value(let text): text
        case .required: "required"
        case .absent: "none"
        }
    }

    /// What is accepted, in the words of the reference.
    public var rangeText: String {
        switch kind {
        case .text: "1 to 255 bytes"
        case .identifier: "8-4-4-4-12 hexadecimal digits"
        case .nodeName: "`[a-z][a-z0-9-]{0,62}`"
        case .host: "1 to 253 bytes"
        case .port: "1 to 65535"
        case .url: "`http://` or `https://`, host and port only"
        case .path: "absolute, or relative to the file's directory"
        case .socketPath: "as a path, at most 107 bytes"
        case .program: "absolute; an executable file"
        case .endpoint: "port 1 to 65535; IPv6 in brackets"
        case .choice(let values, _): values.map { "`\($0)`" }.joined(separator: ", ")
        case .duration(let range):
            "\(Units.text(range.lowerBound)) to \(Units.text(range.upperBound))"
        case .bytes(let range):
            "\(Units.text(bytes: range.lowerBound)) to \(Units.text(bytes: range.upperBound))"
        case .percentage(let range):
            Units.text(partsPerMillion: range.lowerBound) + " to "
                + Units.text(partsPerMillion: range.upperBound)
        case .count(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .nodeNames(let range), .endpoints(let range):
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
        }
    }

    /// True when a process of this role reads the key. All other keys are refused in its file.
    func isRead(by role: ConfigurationRole) -> Bool {
        switch role {
        case .data: name != "witness.members"
        case .witness: Self.witnessKeys.contains { name == $0 || name.hasPrefix($0 + ".") }
        }
    }

    /// Keys and sections of a witness's file.
    private static let witnessKeys = [
        "cluster", "node.name", "node.role", "store.directory", "link.listen", "link.certificate",
        "link.private_key", "link.authority", "witness.members", "failover.lease",
        "failover.drift", "operations", "log",
    ]
}

extension ConfigurationKey {
    /// Every key, in the order of the reference and of the sample files.
    public static let all: [ConfigurationKey] =
        identity + storage + retention + peerAndLink + failover + arbiters + hooks + faces

    private static let identity: [ConfigurationKey] = [
        .init(
            "cluster.id", .identifier, .required,
            "The cluster; the same on both nodes. Nodes of another cluster are refused."),
        .init("cluster.name", .text, .absent, "A name for people; it decides nothing."),
        .init(
            "node.name", .nodeName, .required,
            "This node; the name in its certificate, and unique in the cluster."),
        .init(
            "node.role", .choice(["data", "witness"]), .value("data"),
            "`data`: this node keeps records. `witness`: it keeps only the cluster's record, in a third place."
        ),
        .init(
            "node.initial_role", .choice(["primary", "standby"]), .value("standby"),
            "Who starts a new cluster. Read only while the store is empty; exactly one node of a new cluster says `primary`."
        ),
    ]

    private static let storage: [ConfigurationKey] = [
        .init(
            "store.directory", .path, .value("/var/lib/sanad"),
            "Where the node keeps its data. One daemon per directory, on a local disk."),
        .init(
            "store.memtable", .bytes((4 << 20)...(1 << 30)), .value("64MiB"),
            "Committed bytes kept in memory before they are written to the record table; writes wait when it is full."
        ),
        .init(
            "store.segment_size", .bytes((1 << 20)...(1 << 30)), .value("64MiB"),
            "Size at which a file of the log is sealed and the next one begins."),
    ]

    private static let retention: [ConfigurationKey] = [
        .init(
            "retention.minimum_age", .duration(.zero...Span.seconds(366 * 86_400)), .value("24h"),
            "Log younger than this is kept even when the standby has it; a node that was away for less catches up from it."
        ),
        .init(
            "retention.maximum_bytes", .bytes((64 << 20)...(16 << 40)), .value("64GiB"),
            "The log never grows beyond this: the oldest goes, and a standby that still needs it is `lost` and takes a snapshot."
        ),
        .init(
            "retention.free_bytes", .bytes((64 << 20)...(16 << 40)), .value("2GiB"),
            "While less of the disk is free, the oldest log goes, as with `retention.maximum_bytes`."
        ),
    ]

    private static let hooks: [ConfigurationKey] = [
        .init(
            "hooks.veto_command", .program, .absent,
            "Asked before this node promotes itself: arguments reason, epoch, node; exit code 0 agrees, anything else stops it."
        ),
        .init(
            "hooks.event_command", .program, .absent,
            "Told of every change of this node's role: arguments role, epoch, node, reason."),
        .init(
            "hooks.timeout", .duration(Span.seconds(1)...Span.seconds(60)), .value("5s"),
            "A command that runs longer is killed; a veto command's silence is a veto."),
    ]

    private static let peerAndLink: [ConfigurationKey] = [
        .init(
            "peer.name", .nodeName, .required,
            "The other node; its certificate must carry this name."),
        .init("peer.host", .host, .required, "Where the other node's link is."),
        .init("peer.port", .port, .value("7400"), "The port of the other node's `link.listen`."),
        .init(
            "peer.records_url", .url, .absent,
            "The other node's records API, as clients reach it: told to clients that must ask there."
        ),
        .init(
            "link.listen", .endpoint, .value("0.0.0.0:7400"),
            "Where this node takes the peer's connection (TLS 1.3, mutual). Of the two nodes the one whose name comes first connects, and the other listens."
        ),
        .init(
            "link.certificate", .path, .required,
            "This node's certificate, PEM. Read again at a reload."),
        .init(
            "link.private_key", .path, .required,
            "Its private key, PEM, readable by the daemon's user only. Read again at a reload."),
        .init(
            "link.authority", .path, .required,
            "The cluster's own certificate authority, PEM. Read again at a reload."),
        .init(
            "link.window", .bytes((1 << 20)...(256 << 20)), .value("16MiB"),
            "Log bytes on their way to the standby and not yet durable there."),
        .init(
            "replication.mode", .choice(["sync", "async"]), .value("sync"),
            "`sync`: a write is acknowledged when it is durable on both sites. `async`: when it is durable on the primary."
        ),
        .init(
            "replication.on_standby_loss", .choice(["degrade", "block"]), .value("degrade"),
            "What a `sync` primary does without its standby. `degrade`: goes on alone, once it is recorded that the standby is not in sync. `block`: acknowledges nothing."
        ),
    ]

    private static let failover: [ConfigurationKey] = [
        .init(
            "failover.mode", .choice(["automatic", "observe", "manual"]), .value("automatic"),
            "`automatic`: the standby promotes itself when that loses nothing. `observe`: it only logs that it would have. `manual`: only `sanadctl promote` does."
        ),
        .init(
            "failover.max_loss", .count(0...1_000_000), .value("0"),
            "With `replication.mode: async`: acknowledged transactions that a standby may lack and still promote itself. 0: it never does. The same on both nodes."
        ),
        .init(
            "failover.degrade_after", .duration(.milliseconds(20)...Span.seconds(3_600)), .absent,
            "How long a silent standby may hold up writes before the primary goes on alone; at least two heartbeats. Without it: the lease."
        ),
        .init(
            "failover.heartbeat", .duration(.milliseconds(10)...Span.seconds(10)), .value("500ms"),
            "Time between two heartbeats of the primary."),
        .init(
            "failover.lease", .duration(.milliseconds(50)...Span.seconds(60)), .value("3s"),
            "How long the primary may acknowledge on one grant; at least four heartbeats. The same on both nodes."
        ),
        .init(
            "failover.drift", .percentage(100...100_000), .value("1 %"),
            "How much the two hosts' clock rates may differ; the standby waits lease × (1 + drift). The same on both nodes."
        ),
    ]

    private static let arbiters: [ConfigurationKey] = [
        .init(
            "failover.arbiter", .choice(["none", "witness", "etcd"]), .value("none"),
            "The third voice, the same on both nodes. `none`: two sites alone. `witness`: `sanadd` in a third place. `etcd`: an etcd cluster."
        ),
        .init(
            "witness.name", .nodeName, .absent,
            "The witness; its certificate must carry this name. Needed with the arbiter `witness`."),
        .init(
            "witness.address", .endpoint, .absent,
            "The `link.listen` of the witness. Needed with the arbiter `witness`."),
        .init(
            "witness.members", .nodeNames(2...2), .absent,
            "The two data nodes. Needed on the witness, and only there."),
        .init(
            "etcd.endpoints", .endpoints(1...9), .absent,
            "The members of the etcd cluster (HTTPS); any of them may be down. Needed with the arbiter `etcd`."
        ),
        .init(
            "etcd.ca", .path, .absent,
            "The authority that signed the etcd members' certificates, PEM. Needed with the arbiter `etcd`."
        ),
        .init(
            "etcd.certificate", .path, .absent,
            "This node's client certificate for etcd, PEM. Needed with the arbiter `etcd`."),
        .init(
            "etcd.key", .path, .absent,
            "Its private key, PEM. Needed with the arbiter `etcd`."),
        .init(
            "etcd.prefix", .text, .absent,
            "What the keys begin with; `/sanad/<cluster id>/` when not set. The same on both nodes."
        ),
    ]

    private static let faces: [ConfigurationKey] = [
        .init(
            "records.listen", .endpoint, .value("127.0.0.1:7401"),
            "Where clients put and read records (HTTP)."),
        .init(
            "records.tls.certificate", .path, .absent,
            "Certificate of the records API, PEM. Without it the API is plain HTTP."),
        .init("records.tls.private_key", .path, .absent, "Its private key, PEM."),
        .init(
            "records.queue", .count(16...65_536),
            .value(String(Limits.commitQueueRequestsDefault)),
            "Write requests that may wait; more are answered 503 with `Retry-After`."),
        .init(
            "operations.listen", .endpoint, .value("127.0.0.1:7402"),
            "Where monitoring and load balancers ask (HTTP, read only)."),
        .init(
            "operations.tls.certificate", .path, .absent,
            "Certificate of the operations API, PEM. Without it the API is plain HTTP."),
        .init("operations.tls.private_key", .path, .absent, "Its private key, PEM."),
        .init(
            "control.socket", .socketPath, .value("/run/sanad/sanadd.sock"),
            "Where `sanadctl` reaches the node: the only way to change something."),
        .init(
            "log.level",
            .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
            .value("info"), "The least important message that is logged."),
        .init(
            "log.format", .choice(["text", "json"]), .value("text"),
            "One line a message, for people or for a log collector."),
    ]
}
