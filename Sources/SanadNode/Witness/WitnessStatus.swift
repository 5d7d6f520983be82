import SanadCore
import Synchronization

/// What others may know of a witness: published as one value.
///
/// It is also the JSON of the witness's `/status`: a contract. Fields are added, never renamed;
/// readers ignore what they do not know. Written out in `docs/formats/status.md`.
public struct WitnessStatus: Sendable, Codable, Equatable {
    public struct Member: Sendable, Codable, Equatable {
        public var node: String
        public var connected = false
        /// Monotonic nanoseconds of its last question; nil before the first.
        public var heardNanoseconds: UInt64?
    }

    public var version = 1
    public var cluster = ""
    public var node = ""
    public var softwareVersion = ""
    public var role = "witness"
    /// The cluster's record, as it is here.
    public var recordVersion: UInt64 = 0
    public var epoch: UInt64 = 0
    public var primary: String?
    public var inSync: [String] = []
    /// The highest position that a primary told.
    public var committed: UInt64 = 0
    /// Monotonic nanoseconds until which nobody but the present primary may take the role.
    public var leaseEndsNanoseconds: UInt64 = 0
    public var members: [Member] = []
    public var questionsTotal: UInt64 = 0
    /// Questions that were answered with a refusal.
    public var refusedQuestionsTotal: UInt64 = 0
    /// Changes of the record that were accepted since start.
    public var changesTotal: UInt64 = 0
    /// Connections that were refused since start.
    public var refusalsTotal: UInt64 = 0
    /// Writes of `witness.db` since start.
    public var savesTotal: UInt64 = 0
    /// Why the witness does not answer; nil when all is well.
    public var storeProblem: String?
    /// Monotonic nanoseconds of the witness thread's last round.
    public var tickNanoseconds: UInt64 = 0
    public var certificateExpiresUnixSeconds: Int64?
    public var diskFreeBytes: UInt64?

    public init() {}
}

/// The published status: written by the witness's thread, read by everybody.
final class WitnessBoard: Sendable {
    private let status = Mutex(WitnessStatus())

    var current: WitnessStatus { status.withLock { $0 } }

    func publish(_ new: WitnessStatus) { status.withLock { $0 = new } }
}
