import SanadCore
import Testing

@testable import SanadSimulator

/// Worlds in which nothing has gone wrong, for the hand to break.
extension World {
    /// Both sites run, in sync, with writes on both disks and nothing on its way.
    ///
    /// - Parameter isFit: what the world's setting has to be, beside sync and automatic.
    static func settled(
        arbiter: ArbiterChoice = .witness, where isFit: (Setting) -> Bool = { _ in true }
    ) throws -> World {
        for seed in UInt64(1)...10_000 {
            var world = World(seed: seed, arbiter: arbiter, isTracing: false)
            let setting = world.setting
            guard setting.mode == .sync, setting.failoverMode == .automatic, isFit(setting) else {
                continue
            }
            // Without faults of its own: neither planned ones, nor those of chance.
            world.isHealed = true
            world.startArbiter()
            world.start(0)
            world.start(1)
            world.plan(.dial, after: 1)
            world.run(until: world.time + 4 * world.second)
            world.isQuiet = true
            world.run(until: world.time + 2 * world.second)
            try #require(world.violation == nil)
            try #require(world.hosts[0].process?.role == .primary)
            try #require(world.hosts[1].process?.role == .standby)
            try #require(world.hosts[0].disk.end == world.hosts[1].disk.end)
            try #require(world.hosts[0].disk.frames.count > 3)
            return world
        }
        throw NoWorld()
    }

    private struct NoWorld: Error {}

    /// A frame of one write after `previous`, known to the archive.
    mutating func frame(after previous: Frame) -> Frame {
        var encoder = FrameEncoder(
            after: previous.position, epoch: previous.header.epoch, committed: .zero,
            logOffset: previous.header.logEnd, wallMilliseconds: 0)
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "c", key: "a", value: "99")
        _ = encoder.append(transaction)
        let frame = encoder.finish()
        archive.add(frame)
        return frame
    }
}
