import Foundation
import Logging
import NIOCore
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("A daemon that cannot listen", .timeLimit(.minutes(1)))
struct StartTests {
    private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func failure(_ options: RecordsServerOptions) async throws -> String {
        let directory = try TemporaryDirectory()
        let gate = try TestGate(directory: directory.path)
        let failure = await #expect(throws: ListenFailure.self) {
            _ = try await RecordsServer.start(gate: gate, options: options, logger: log)
        }
        withExtendedLifetime(directory) {}
        return try #require(failure).description
    }

    @Test("names the configuration key, the address and what to do: a port that is taken")
    func takenPorts() async throws {
        let directory = try TemporaryDirectory()
        let gate = try TestGate(directory: directory.path)
        let first = try await RecordsServer.start(
            gate: gate, options: RecordsServerOptions(port: 0), logger: log)
        let records = try await failure(RecordsServerOptions(port: first.port))
        #expect(records.hasPrefix("records.listen: cannot listen at 127.0.0.1:\(first.port): "))
        #expect(records.contains("in use. Stop what listens there"), "\(records)")
        let operations = await #expect(throws: ListenFailure.self) {
            _ = try await OperationsServer.start(
                gate: gate, options: OperationsServerOptions(port: first.port), logger: log)
        }
        let text = try #require(operations).description
        #expect(text.hasPrefix("operations.listen: cannot listen at 127.0.0.1:\(first.port): "))
        await first.shutdown(deadline: .now())
        withExtendedLifetime(directory) {}
    }

    @Test("and a control socket's path that cannot be used")
    func controlSocket() async throws {
        let place = try TemporaryDirectory()
        let missing = try await failure(
            RecordsServerOptions(port: 0, controlSocketPath: place.path + "/no/sanad.sock"))
        #expect(missing.hasPrefix("control.socket: cannot listen at \(place.path)/no/sanad.sock: "))
        #expect(missing.contains("Make its directory"), "\(missing)")
        let file = place.path + "/file"
        try "x".write(toFile: file, atomically: true, encoding: .utf8)
        let taken = try await failure(RecordsServerOptions(port: 0, controlSocketPath: file))
        #expect(taken.contains("not a socket"), "\(taken)")
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test("a link's port too; and a node that was not started takes no role and stops at once")
    func linkPort() async throws {
        let pair = try Pair()
        let first = try RunningNode(pair.configuration("rabat"), log: log)
        #expect(first.gate.status.role == "starting")
        let second = try Pair(linkPort: pair.linkPort)
        let failure = #expect(throws: ListenFailure.self) {
            _ = try RunningNode(second.configuration("rabat"), log: log)
        }
        let text = try #require(failure).description
        #expect(text.hasPrefix("link.listen: cannot listen at 127.0.0.1:\(pair.linkPort): "))
        await first.stop()
        #expect(first.gate.status.role == "stopped")
    }
}
