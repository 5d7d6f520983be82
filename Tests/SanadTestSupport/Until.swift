import Glibc

/// A condition that did not come to hold.
public struct DeadlinePassed: Error, CustomStringConvertible {
    public var description: String
}

/// Waits for a condition; the deadline is generous, since only a failure takes all of it.
///
/// - Throws: ``DeadlinePassed``, and what `condition` throws.
public func until(
    _ what: String, seconds: Int = 60, isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < end else {
            throw DeadlinePassed(description: "never: \(what)")
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// The same for a test that blocks its thread: one without `async`, or one that speaks over a
/// blocking socket.
///
/// - Throws: ``DeadlinePassed``, and what `condition` throws.
public func blockUntil(
    _ what: String, seconds: Int = 60, _ condition: () throws -> Bool
) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while try !condition() {
        guard ContinuousClock.now < end else {
            throw DeadlinePassed(description: "never: \(what)")
        }
        // The pause of a poll, not a wait for time to pass: the condition decides.
        usleep(500)
    }
}
