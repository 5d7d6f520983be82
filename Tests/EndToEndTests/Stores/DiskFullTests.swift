import Foundation
import Glibc
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

/// A file system of its own, small enough to be filled by a test.
private final class SmallDisk {
    /// Whether this process may mount one; found out by trying.
    static let isPossible: Bool = {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-disk-\(UUID().uuidString)").path
        guard mkdir(path, 0o700) == 0 else { return false }
        defer { rmdir(path) }
        return (try? SmallDisk(path, mebibytes: 1)) != nil
    }()

    private let path: String

    /// The directory has to be there.
    init(_ path: String, mebibytes: Int) throws {
        self.path = path
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m,mode=0700") == 0 else {
            throw HostFailure(description: "mount: errno \(errno)")
        }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    private var filler: String { path + "/filler" }

    /// Takes all the space that is left, and goes on doing so.
    func fill() {
        let descriptor = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        defer { close(descriptor) }
        let chunk = [UInt8](repeating: 0, count: 4_096)
        while write(descriptor, chunk, chunk.count) > 0 {}
    }

    func makeRoom() { unlink(filler) }
}

extension EndToEnd {
    @Suite(
        "A full disk",
        .enabled(if: SmallDisk.isPossible, "mounting a small tmpfs needs the right to (root)"),
        .serialized, .timeLimit(.minutes(5)))
    struct DiskFullTests {
        @Test("the primary acknowledges nothing it cannot write, and ends; the standby takes over")
        func primary() async throws {
            let sites = try Sites(arbiter: .witness)
            #expect(mkdir(sites.rabat.store, 0o700) == 0)
            let disk = try SmallDisk(sites.rabat.store, mebibytes: 64)
            try await sites.startBoth()
            let load = try await sites.load()
            disk.fill()
            try await until("rabat ends by itself") { sites.rabat.process?.isRunning == false }
            #expect(sites.rabat.process?.wait() == 1)
            #expect(sites.rabat.log.contains("disk full"))
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            try await load.untilGoingOn()
            disk.makeRoom()
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
            try await sites.untilEqual()
            sites.rabat.kill(SIGKILL)
        }
    }
}
