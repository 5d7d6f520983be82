public import SanadCore
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

    /// True while a read may be answered with the primary's word: this node may acknowledge, and its
    /// records have everything that was acknowledged before its reign.
    var hasPrimaryWord: Bool { get }

    /// False while a repair or a snapshot is under way: the records are not those of one moment.
    var isConsistent: Bool { get }

    /// Whom a refused client should ask.
    var primaryHint: PrimaryHint { get }

    /// The committed records of this node.
    var table: RecordTable { get }

    /// Opens a reader of the log, for `/v1/changes` and the log commands. Blocking; one thread.
    func makeLogReader() throws(StoreError) -> LogReader

    /// Tells the node that a read met damage: it says so, and gives up its part in a failover.
    func found(_ damage: StoreError)

    /// Carries out an operator's command on the commit thread and waits for its answer (bounded).
    func control(_ command: ControlCommand) async -> ControlAnswer
}

extension NodeGate {
    /// By the published status; a gate that is asked often has a cheaper answer.
    public var isConsistent: Bool { status.consistent }

    /// As good as `isWritable` where no reign begins while it is asked.
    public var hasPrimaryWord: Bool { isWritable }
}

/// What an operator asks of a node.
public enum ControlCommand: Sendable, Equatable {
    /// Something that changes who may acknowledge, or what is kept.
    case carryOut(OperatorRequest)
    /// Seal the active segment.
    case sealSegment
    /// Read certificates again.
    case reload
    /// The audit trail and the epoch history.
    case history
    /// The quarantine files and kept stores.
    case quarantine
    /// Delete a quarantine file, by its number.
    case discardQuarantine(UInt64, reason: String, actor: String)
}

/// An operator's request, with what the audit trail keeps of it.
public struct OperatorRequest: Sendable, Equatable {
    public enum Action: Sendable, Equatable {
        case promote(acceptLoss: Bool)
        case switchover
        case runAlone
        case fence
        case liftFence
        case pause(Span)
        case resume
        case rejoin
        case reseed
    }

    public var action: Action
    public var reason: String
    /// Who asks, for the audit trail.
    public var actor: String
    /// Say what would happen, and do nothing.
    public var dryRun: Bool

    public init(action: Action, reason: String, actor: String, dryRun: Bool) {
        self.action = action
        self.reason = reason
        self.actor = actor
        self.dryRun = dryRun
    }

    /// The names of all commands on the control socket.
    static let names = [
        "promote", "switchover", "run-alone", "fence", "lift-fence", "pause", "resume", "rejoin",
        "reseed",
    ]

    /// The command's name in the audit trail and on the control socket.
    public var name: String {
        switch action {
        case .promote: "promote"
        case .switchover: "switchover"
        case .runAlone: "run-alone"
        case .fence: "fence"
        case .liftFence: "lift-fence"
        case .pause: "pause"
        case .resume: "resume"
        case .rejoin: "rejoin"
        case .reseed: "reseed"
        }
    }
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
