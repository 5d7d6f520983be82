public import SanadStore

/// All that the edges (HTTP, control socket) can do with the node.
///
/// The edges see this protocol only, so that they can be tested without a disk or a peer. It is
/// called once a request or batch, never once a record.
public protocol NodeGate: AnyObject, Sendable {
    /// Puts a write into the commit queue; the outcome goes to its outbox.
    func submit(_ request: WriteRequest) throws(SubmitRefusal)

    /// The published status. Never blocks on a disk.
    var status: NodeStatus { get }

    /// True while this node may acknowledge writes, the lease compared with the clock of now.
    var isWritable: Bool { get }

    /// Whom a refused client should ask.
    var primaryHint: PrimaryHint { get }

    /// The committed records of this node.
    var table: RecordTable { get }

    /// Opens a reader of the log, for `/v1/changes` and the log commands. Blocking; one thread.
    func makeLogReader() throws(StoreError) -> LogReader

    /// Carries out an operator's command on the commit thread and waits for its answer (bounded).
    func control(_ command: ControlCommand) async -> ControlAnswer
}

/// What an operator asks of a node.
public enum ControlCommand: Sendable, Equatable {
    /// Take the primary role. Without `acceptLoss` only when nothing acknowledged can be lost.
    case promote(acceptLoss: Bool, reason: String, dryRun: Bool)
    /// Seal the active segment.
    case sealSegment
    /// Read certificates again.
    case reload
    /// The audit trail and the epoch history.
    case history
}

/// The node's answer to a command.
public struct ControlAnswer: Sendable, Codable, Equatable {
    public var done: Bool
    /// What happened, to what, and what to do next; one or more lines for a person.
    public var message: String
    public var lines: [String]

    public init(done: Bool, message: String, lines: [String] = []) {
        self.done = done
        self.message = message
        self.lines = lines
    }
}
