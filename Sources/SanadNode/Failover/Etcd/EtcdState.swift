import Foundation
import SanadCore

/// Why etcd gave no answer that can be used.
enum EtcdProblem: Error, Equatable {
    /// No endpoint answered; the outcome of the last call is not known.
    case unreachable(String)
    /// etcd answered, and what it holds is not this cluster's.
    case refused(String)
}

/// Who holds the lease: the value of the key `holder`, which etcd removes with its lease.
struct EtcdHolder: Codable, Equatable, Sendable {
    var node: String
    var epoch: UInt64
    /// What etcd granted.
    var seconds: UInt64

    enum CodingKeys: String, CodingKey {
        case node, epoch
        case seconds = "ttl_seconds"
    }
}

/// The three keys, as one read of etcd found them or one transaction left them.
struct EtcdState: Equatable, Sendable {
    var record: ClusterRecord
    /// `mod_revision` of the record's key; zero when it does not exist.
    var recordRevision: UInt64 = 0
    /// Nil when nobody holds a lease.
    var holder: EtcdHolder?
    var holderRevision: UInt64 = 0
    var committed = Sequence.zero

    /// What a cluster has that etcd does not know yet.
    init(cluster: Identifier) { record = .initial(cluster: cluster) }

    init(_ answer: EtcdRangeAnswer, keys: EtcdKeys, cluster: Identifier) throws(EtcdProblem) {
        self.init(cluster: cluster)
        for entry in answer.kvs ?? [] {
            let value = entry.value ?? Data()
            guard let revision = UInt64(entry.modRevision) else {
                throw .unreachable("etcd's answer is not understood: no revision")
            }
            switch entry.key {
            case keys.record:
                record = try Self.record(value, keys: keys)
                recordRevision = revision
            case keys.holder:
                holder = try Self.decode(EtcdHolder.self, value, keys.prefix + "holder")
                holderRevision = revision
            case keys.mark:
                guard let mark = UInt64(String(decoding: value, as: UTF8.self)) else {
                    throw .refused("the key \(keys.prefix)mark does not hold a number")
                }
                committed = Sequence(mark)
            default: break
            }
        }
        guard record.cluster == cluster else {
            throw .refused("the key \(keys.prefix)record is of cluster \(record.cluster)")
        }
    }

    private static func record(_ value: Data, keys: EtcdKeys) throws(EtcdProblem) -> ClusterRecord {
        let document = try decode(EtcdRecord.self, value, keys.prefix + "record")
        guard let record = ClusterRecord(document) else {
            throw .refused("the key \(keys.prefix)record does not hold a cluster's record")
        }
        return record
    }

    private static func decode<Value: Decodable>(
        _ type: Value.Type, _ value: Data, _ key: String
    ) throws(EtcdProblem) -> Value {
        do {
            return try JSONDecoder().decode(type, from: value)
        } catch {
            throw .refused("the key \(key) does not hold what Sanad wrote: \(error)")
        }
    }
}

/// The names of the keys.
struct EtcdKeys: Sendable {
    let prefix: String
    let record: Data
    let holder: Data
    let mark: Data
    /// The first key after all that begin with the prefix: its last byte, a slash, plus one.
    let end: Data

    init(prefix: String) {
        precondition(prefix.hasSuffix("/"))
        self.prefix = prefix
        record = Data((prefix + "record").utf8)
        holder = Data((prefix + "holder").utf8)
        mark = Data((prefix + "mark").utf8)
        end = Data(prefix.utf8.dropLast()) + [UInt8(ascii: "/") + 1]
    }

    var range: EtcdRangeRequest { EtcdRangeRequest(key: Data(prefix.utf8), rangeEnd: end) }
}

/// The record as operators read it: `etcdctl get --prefix /sanad/`.
struct EtcdRecord: Codable {
    struct Store: Codable {
        var node: String
        var store: String
    }

    struct Place: Codable {
        var epoch: UInt64
        var sequence: UInt64
        /// 64 hexadecimal digits.
        var hash: String
    }

    var cluster: String
    var version: UInt64
    var epoch: UInt64
    var primary: String?
    var inSync: [Store]
    var since: Place

    enum CodingKeys: String, CodingKey {
        case cluster, version, epoch, primary, since
        case inSync = "in_sync"
    }

    init(_ record: ClusterRecord) {
        cluster = record.cluster.description
        version = record.version
        epoch = record.epoch.value
        primary = record.primary?.text
        inSync = record.inSync.map {
            Store(node: $0.node.text, store: $0.store.description)
        }
        since = Place(
            epoch: record.since.epoch.value, sequence: record.since.sequence.value,
            hash: record.since.hash.description)
    }
}

extension ClusterRecord {
    /// Nil when a field is not what it has to be.
    init?(_ document: EtcdRecord) {
        guard let cluster = Identifier(document.cluster),
            let hash = ChainHash(hexadecimal: document.since.hash)
        else { return nil }
        var primary: NodeName?
        if let text = document.primary {
            guard let name = NodeName(text) else { return nil }
            primary = name
        }
        var inSync: [StoreIdentity] = []
        for member in document.inSync {
            guard let node = NodeName(member.node), let store = Identifier(member.store) else {
                return nil
            }
            inSync.append(StoreIdentity(node: node, store: store))
        }
        self.init(
            cluster: cluster, version: document.version, epoch: Epoch(document.epoch),
            primary: primary, inSync: inSync,
            since: Position(
                epoch: Epoch(document.since.epoch), sequence: Sequence(document.since.sequence),
                hash: hash))
    }
}

extension ChainHash {
    /// Reads 64 hexadecimal digits; nil for anything else.
    fileprivate init?(hexadecimal text: String) {
        let digits = Array(text.utf8)
        guard digits.count == Self.byteCount * 2 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = JSONScanner.hexadecimalDigit(digits[index]),
                let low = JSONScanner.hexadecimalDigit(digits[index + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        self = bytes.withUnsafeBytes { ChainHash(bytes: $0) }
    }
}
