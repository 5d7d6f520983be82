internal import Synchronization

/// Something that one thread at a time may use.
///
/// `@unchecked Sendable`: `value` is touched only inside `use`, with the lock held, and what comes
/// out of it is `Sendable`. (`Mutex` itself cannot pass a caller's closure in.)
final class TakingTurns<Value>: @unchecked Sendable {
    private let value: Value
    private let turn = Mutex(())

    init(_ value: sending Value) { self.value = value }

    func use<Result: Sendable>(
        _ body: (Value) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try turn.withLock { _ throws(StoreError) in try body(value) }
    }
}
