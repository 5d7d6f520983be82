import Glibc
import SanadCore
import Synchronization
import Testing

@testable import SanadLink

/// A directory that goes with its owner.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/sanad-link-XXXXXX".utf8CString)
        path = String(cString: try #require(mkdtemp(&template)))
    }

    deinit {
        guard let list = opendir(path) else { return }
        while let entry = readdir(list) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            unlink("\(path)/\(name)")
        }
        closedir(list)
        rmdir(path)
    }
}

/// What callbacks of another thread hand over; taking waits with a deadline.
final class Inbox<Item: Sendable>: Sendable {
    private let items = Mutex<[Item]>([])
    private let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0)
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func put(_ item: Item) {
        items.withLock { $0.append(item) }
        var byte: UInt8 = 0
        write(writeEnd, &byte, 1)
    }

    func take() throws -> Item {
        let deadline = MonotonicClock.now() + Span.seconds(20)
        try #require(TCP.wait(readEnd, for: Int16(POLLIN), until: deadline), "nothing came")
        var byte: UInt8 = 0
        read(readEnd, &byte, 1)
        return items.withLock { $0.removeFirst() }
    }
}

/// An authority with the nodes `rabat` and `marrakech`, and a listener of `marrakech`.
final class Cluster {
    static let rabat = name("rabat")
    static let marrakech = name("marrakech")

    let directory: TemporaryDirectory
    let accepted = Inbox<LinkConnection>()
    let refused = Inbox<LinkError>()
    let listener: LinkListener

    static func name(_ text: String) -> NodeName {
        guard let name = NodeName(text) else { preconditionFailure("not a name: \(text)") }
        return name
    }

    init(serverValidity: Validity = Validity(days: 10)) throws {
        let directory = try TemporaryDirectory()
        self.directory = directory
        try CertificateAuthority.create(
            directory: directory.path, clusterName: "test", validityDays: 20)
        _ = try CertificateAuthority.issue(
            directory: directory.path, node: Self.rabat, hosts: [],
            outputDirectory: directory.path, validity: Validity(days: 10))
        _ = try CertificateAuthority.issue(
            directory: directory.path, node: Self.marrakech, hosts: [],
            outputDirectory: directory.path, validity: serverValidity)
        let accepted = accepted
        let refused = refused
        listener = try LinkListener(
            host: "127.0.0.1", port: 0, context: Self.context(directory, Self.marrakech),
            peers: [Self.rabat], accepted: { accepted.put($0) }, refused: { refused.put($0) })
    }

    deinit { listener.stop() }

    static func context(
        _ directory: TemporaryDirectory, _ node: NodeName
    ) throws -> TLSContext {
        try TLSContext(
            certificateFile: "\(directory.path)/\(node).crt",
            privateKeyFile: "\(directory.path)/\(node).key",
            authorityFile: "\(directory.path)/ca.crt")
    }

    func clientContext() throws -> TLSContext { try Self.context(directory, Self.rabat) }

    func connect(
        _ context: TLSContext, expecting peer: NodeName = Cluster.marrakech
    ) throws(LinkError) -> LinkConnection {
        try LinkConnection.connect(
            host: "127.0.0.1", port: listener.boundPort, context: context, peer: peer,
            timeout: .seconds(20))
    }

    /// Both ends of one connection.
    func pair() throws -> (client: LinkConnection, server: LinkConnection) {
        let client = try connect(try clientContext())
        return (client, try accepted.take())
    }

    /// A TCP connection to the listener that has said nothing.
    func stranger() throws -> Socket {
        try TCP.connect(
            host: "127.0.0.1", port: listener.boundPort, peer: "test",
            deadline: MonotonicClock.now() + .seconds(20))
    }

    /// A peer with a good certificate that is past the preambles, and says what it likes then.
    func rogue() throws -> TLSSession {
        let session = try clientContext().makeSession(
            socket: stranger(), role: .client, names: [Self.marrakech], peer: "marrakech")
        let handshake = LinkHandshake(session: session, role: .client)
        let deadline = MonotonicClock.now() + Span.seconds(20)
        while try !handshake.step() {
            try #require(
                TCP.wait(session.descriptor, for: handshake.events, until: deadline))
        }
        return session
    }
}

/// Packets by value.
enum Received: Equatable {
    case control([UInt8])
    case frame([UInt8])

    init(_ packet: LinkPacket) {
        switch packet {
        case .control(let bytes): self = .control(Array(bytes))
        case .frame(let bytes): self = .frame(bytes)
        }
    }
}

/// Lets both ends send and receive until `count` packets have come to the server.
func transfer(
    from client: LinkConnection, to server: LinkConnection, count: Int
) throws -> [Received] {
    var received: [Received] = []
    let deadline = MonotonicClock.now() + Span.seconds(30)
    while received.count < count {
        _ = try client.flush()
        var more = true
        while more { more = try server.receive { received.append(Received($0)) } }
        guard received.count < count, try client.flush() else { continue }
        try #require(TCP.wait(server.descriptor, for: Int16(POLLIN), until: deadline))
    }
    return received
}

/// Receives until the connection fails, and says how.
func failure(
    of connection: LinkConnection, _ body: (Received) -> Void = { _ in }
) throws -> LinkError {
    let deadline = MonotonicClock.now() + Span.seconds(20)
    while true {
        do throws(LinkError) {
            if try connection.receive({ body(Received($0)) }) { continue }
        } catch {
            return error
        }
        try #require(TCP.wait(connection.descriptor, for: Int16(POLLIN), until: deadline))
    }
}

/// The error that `body` throws.
func linkError<R>(_ body: () throws -> R) throws -> LinkError {
    let error = #expect(throws: LinkError.self) { _ = try body() }
    return try #require(error)
}

/// Bytes without order, the same each time.
func noise(_ count: Int) -> [UInt8] {
    var state: UInt64 = 0x5A4E_4144
    var bytes = [UInt8]()
    bytes.reserveCapacity(count)
    while bytes.count < count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(UInt8(truncatingIfNeeded: state >> 56))
    }
    return bytes
}

/// About `count` bytes of records.
func records(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var number = 0
    while bytes.count < count {
        number += 1
        bytes += Array(
            "{\"id\":\"P\(number * 7_919)\",\"nom\":\"Alaoui\",\"niveau\":\(number % 12)}".utf8)
    }
    return bytes
}

/// Plain bytes of one block of ``bomb(blocks:)``.
let bombBlockBytes = 1 + 19 + 256 * 255 + 211 + 5

/// An LZ4 stream of zeros whose blocks of 267 bytes grow to nearly 64 KiB each: one literal, a long
/// match of itself, and the five literals with which each block has to end.
func bomb(blocks: Int) -> [UInt8] {
    var block: [UInt8] = [0x1F, 0, 1, 0]
    block += [UInt8](repeating: 255, count: 256)
    block += [211, 0x50, 0, 0, 0, 0, 0]
    var stream = LinkCompression.streamHeader
    for _ in 0..<blocks {
        stream += [UInt8(truncatingIfNeeded: block.count), UInt8(block.count >> 8), 0, 0]
        stream += block
    }
    return stream
}
