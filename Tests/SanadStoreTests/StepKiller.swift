import Glibc
import SanadCore
import Synchronization
import Testing

@testable import SanadStore

/// A child that ends itself before one of the steps of a plan.
enum StepKiller {
    static let left = Atomic(-1)

    static func options(_ steps: Int) -> StoreOptions {
        left.store(steps, ordering: .relaxed)
        var options = StoreOptions()
        options.flushIdle = .seconds(3_600)
        options.segmentBytesTarget = 2_000
        options.beforeStep = {
            if left.subtract(1, ordering: .relaxed).oldValue == 0 { kill(getpid(), SIGKILL) }
        }
        return options
    }

    static func cut(_ path: String, _ done: String, _ fork: Sequence, _ steps: Int) throws {
        let store = try Fixture.open(path, options(steps))
        let position = try #require(try store.log.boundary(at: fork))
        _ = try store.log.cut(
            after: position, reason: "fork", wallMilliseconds: 1, repairsTable: true)
        end(done)
    }

    /// Says that no step was left to be killed before.
    static func end(_ done: String) {
        close(open(done, O_CREAT | O_WRONLY, 0o600))
        kill(getpid(), SIGKILL)
    }
}
