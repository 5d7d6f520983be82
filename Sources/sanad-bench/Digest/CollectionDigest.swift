import SanadCore

/// A digest over the export of one collection as it stands, to compare two sites that hold millions
/// of records: nothing is taken apart, and one block is held in memory.
struct CollectionDigest {
    private static let blockBytes = 1 << 20

    private var block: [UInt8] = []
    private var last = ChainHash.zero

    /// Reads a collection from a node.
    ///
    /// - Returns: the digest in hexadecimal digits.
    static func read(_ collection: String, from endpoint: Endpoint) throws -> String {
        var digest = CollectionDigest()
        let connection = try HTTPConnection(to: endpoint, timeoutSeconds: 30)
        let status = try connection.request("GET", "/v1/export?collection=\(collection)") {
            digest.add($0)
        }
        guard status == 200 else {
            throw Failure("\(endpoint): the export of \(collection) was answered \(status)")
        }
        digest.close()
        return digest.last.description
    }

    private mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.blockBytes - block.count)
            block.append(contentsOf: piece)
            rest = rest.dropFirst(piece.count)
            if block.count == Self.blockBytes { close() }
        }
    }

    /// Each block is hashed with the digest of those before it.
    private mutating func close() {
        block += last.bytes
        last = block.withUnsafeBytes { ChainHash(ofFrame: $0) }
        block.removeAll(keepingCapacity: true)
    }
}
