import NIOHTTP1
import SanadCore

/// What a path names.
enum Route: Equatable {
    case record
    case list
    case transactions
    case bulk
    case export
    case changes
    /// An operator's command, one of `OperatorRequest.name` or `discard-quarantine`.
    case command(String)
    case seal
    case reload
    case history
    case quarantine
    case status

    var allow: String {
        switch self {
        case .record: "GET, HEAD, PUT, DELETE"
        case .list, .export, .changes, .history, .quarantine, .status: "GET, HEAD"
        case .transactions, .bulk, .command, .seal, .reload: "POST"
        }
    }

    func allows(_ method: HTTPMethod) -> Bool {
        switch self {
        case .record: method == .GET || method == .HEAD || method == .PUT || method == .DELETE
        case .list, .export, .changes, .history, .quarantine, .status:
            method == .GET || method == .HEAD
        case .transactions, .bulk, .command, .seal, .reload: method == .POST
        }
    }

    /// The parameters that the route knows; any other is refused, so that a misspelt one is
    /// noticed.
    func parameters(_ method: HTTPMethod) -> [String] {
        switch self {
        case .record where method == .GET || method == .HEAD: ["min_position", "consistency"]
        case .list: ["prefix", "after", "limit", "min_position", "consistency"]
        case .export: ["collection", "min_position", "consistency"]
        case .changes: ["after", "limit", "wait", "consistency"]
        case .bulk: ["progress"]
        default: []
        }
    }
}

/// The request target, taken apart (RFC 9112 section 3.2).
///
/// The key is all that follows `/records/`, percent-decoded, so it may have slashes, encoded or
/// not. Dot segments are ordinary key bytes. Names keep their memory from request to request.
struct RequestTarget {
    private(set) var route = Route.status
    private(set) var collection: [UInt8] = []
    private(set) var key: [UInt8] = []
    private(set) var query: [(name: [UInt8], value: [UInt8])] = []

    /// The longest target that is read.
    static let bytesMaximum = 8 << 10

    /// Reads a target.
    ///
    /// - Parameter control: whether the control routes are served too.
    mutating func read(_ uri: String, control: Bool) throws(Problem) {
        collection.removeAll(keepingCapacity: true)
        key.removeAll(keepingCapacity: true)
        if !query.isEmpty { query.removeAll() }
        var uri = uri
        guard uri.utf8.count <= Self.bytesMaximum else {
            throw Problem(
                414, "uri-too-long", "The request target is too long",
                "It has at most \(Self.bytesMaximum) bytes.")
        }
        var problem: Problem?
        uri.withUTF8 { bytes in
            do throws(Problem) {
                try read(UnsafeRawBufferPointer(bytes), control: control)
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
    }

    private mutating func read(
        _ target: UnsafeRawBufferPointer, control: Bool
    ) throws(Problem) {
        let bytes = Self.withoutAuthority(target)
        let pathEnd = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        let path = UnsafeRawBufferPointer(rebasing: bytes[..<pathEnd])
        if pathEnd < bytes.endIndex {
            try readQuery(UnsafeRawBufferPointer(rebasing: bytes[(pathEnd + 1)...]))
        }
        if path.starts(with: "/v1/collections/") {
            return try readCollection(path, from: 16)
        }
        guard let route = Self.fixedRoute(path, control: control) else { throw Problem.notFound }
        self.route = route
    }

    private static func fixedRoute(_ path: UnsafeRawBufferPointer, control: Bool) -> Route? {
        if path.isText("/v1/transactions") { return .transactions }
        if path.isText("/v1/bulk") { return .bulk }
        if path.isText("/v1/export") { return .export }
        if path.isText("/v1/changes") { return .changes }
        guard control else { return nil }
        for name in OperatorRequest.names + ["discard-quarantine"]
        where path.elementsEqual("/control/\(name)".utf8) { return .command(name) }
        if path.isText("/control/seal") { return .seal }
        if path.isText("/control/reload") { return .reload }
        if path.isText("/control/history") { return .history }
        if path.isText("/control/quarantine") { return .quarantine }
        if path.isText("/status") { return .status }
        return nil
    }

    /// Reads `{collection}/records` and `{collection}/records/{key}`.
    private mutating func readCollection(
        _ path: UnsafeRawBufferPointer, from start: Int
    ) throws(Problem) {
        let rest = path[start...]
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { throw Problem.notFound }
        let tail = UnsafeRawBufferPointer(rebasing: path[slash...])
        guard tail.starts(with: "/records") else { throw Problem.notFound }
        try Self.decode(
            UnsafeRawBufferPointer(rebasing: path[start..<slash]), plusIsSpace: false,
            into: &collection)
        guard collection.withUnsafeBytes(RecordNames.isCollection) else {
            throw Problem.badCollection
        }
        if tail.count == 8 {
            route = .list
            return
        }
        guard tail[8] == UInt8(ascii: "/") else { throw Problem.notFound }
        route = .record
        try Self.decode(
            UnsafeRawBufferPointer(rebasing: tail[9...]), plusIsSpace: false, into: &key)
        guard key.withUnsafeBytes(RecordNames.isKey) else { throw Problem.badKey }
    }

    /// Cuts `http://host` off an absolute target (RFC 9112 section 3.2.2).
    private static func withoutAuthority(
        _ target: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let schemeBytes =
            target.starts(with: "http://") ? 7 : target.starts(with: "https://") ? 8 : 0
        guard schemeBytes > 0,
            let slash = target[schemeBytes...].firstIndex(of: UInt8(ascii: "/"))
        else { return target }
        return UnsafeRawBufferPointer(rebasing: target[slash...])
    }

    private mutating func readQuery(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        for part in bytes.split(separator: UInt8(ascii: "&")) {
            let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            var item: (name: [UInt8], value: [UInt8]) = ([], [])
            try Self.decode(
                UnsafeRawBufferPointer(rebasing: part[..<equals]), plusIsSpace: true,
                into: &item.name)
            if equals < part.endIndex {
                try Self.decode(
                    UnsafeRawBufferPointer(rebasing: part[(equals + 1)...]), plusIsSpace: true,
                    into: &item.value)
            }
            query.append(item)
        }
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, plusIsSpace: Bool, into decoded: inout [UInt8]
    ) throws(Problem) {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < bytes.count,
                    let high = JSONScanner.hexadecimalDigit(bytes[index + 1]),
                    let low = JSONScanner.hexadecimalDigit(bytes[index + 2])
                else {
                    throw Problem.badRequest("A % in the target is not followed by two digits.")
                }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(byte == UInt8(ascii: "+") && plusIsSpace ? 0x20 : byte)
                index += 1
            }
        }
    }
}

/// Up to where a client has read the log.
struct LogPlace: Sendable {
    /// In which the transaction of that sequence was written; nil when the client does not say.
    var epoch: Epoch?
    var sequence: Sequence
}

extension RequestTarget {
    /// Refuses parameters that the route does not know, or that are there twice.
    func checkParameters(_ method: HTTPMethod) throws(Problem) {
        guard !query.isEmpty else { return }
        let known = route.parameters(method)
        var seen: Set<[UInt8]> = []
        for item in query {
            let name = String(decoding: item.name, as: UTF8.self)
            guard known.contains(name) else {
                throw Problem.badParameter(name, "This path has no parameter \"\(name)\".")
            }
            guard seen.insert(item.name).inserted else {
                throw Problem.badParameter(name, "The parameter \"\(name)\" is there twice.")
            }
        }
    }

    func parameter(_ name: String) -> [UInt8]? {
        query.first { $0.name.elementsEqual(name.utf8) }?.value
    }

    func number(
        _ name: String, in range: ClosedRange<UInt64>, default missing: UInt64
    ) throws(Problem) -> UInt64 {
        guard let text = parameter(name) else { return missing }
        guard let number = text.withUnsafeBytes(DecimalNumber.parse), range.contains(number) else {
            throw Problem.badParameter(
                name, "\"\(name)\" is a number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    /// Reads `<sequence>` or `<epoch>/<sequence>`; the origin when the parameter is missing.
    func logPlace(_ name: String) throws(Problem) -> LogPlace {
        guard let text = parameter(name) else { return LogPlace(sequence: .zero) }
        let numbers = text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { Array($0).withUnsafeBytes(DecimalNumber.parse) }
        let maximum = UInt64(Int64.max)
        guard (1...2).contains(numbers.count),
            let sequence = numbers.last.flatMap(\.self), sequence <= maximum,
            let epoch = numbers.first.flatMap(\.self), epoch <= maximum
        else {
            throw Problem.badParameter(
                name, "\"\(name)\" is a sequence, or an epoch and a sequence, 3/120034.")
        }
        return LogPlace(
            epoch: numbers.count == 2 ? Epoch(epoch) : nil, sequence: Sequence(sequence))
    }

    func choice(_ name: String, _ first: String, _ second: String) throws(Problem) -> Bool {
        guard let text = parameter(name) else { return false }
        if text.elementsEqual(first.utf8) { return false }
        guard text.elementsEqual(second.utf8) else {
            throw Problem.badParameter(name, "\"\(name)\" is \"\(first)\" or \"\(second)\".")
        }
        return true
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func starts(with text: StaticString) -> Bool {
        let letters = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        return count >= letters.count && zip(self, letters).allSatisfy { $0 == $1 }
    }

    fileprivate func isText(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && starts(with: text)
    }
}
