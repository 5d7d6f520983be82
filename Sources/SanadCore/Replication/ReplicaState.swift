// The parts of a replica's state that have a life of their own.

extension Replica {
    public struct StandbyMark: Sendable, Equatable {
        public var durable: Sequence
        public var offset: UInt64

        public init(durable: Sequence, offset: UInt64) {
            self.durable = durable
            self.offset = offset
        }
    }

    enum LinkPhase: Sendable {
        case down
        case greeting(since: Instant)
        case open(Hello)
    }

    /// What is known of the arbiter.
    struct ArbiterDesk: Sendable {
        var view: ArbiterView?
        /// The highest commit that it told of in the latest reign that it told of: it holds also when
        /// the arbiter falls silent, or has lost its store.
        var mark: (epoch: Epoch, committed: Sequence)?
        /// When the question was sent whose answer is in `view`.
        var asked = Instant.zero
        /// When it answered last, or this node started.
        var heard = Instant.zero
        var readDue = Instant.zero
        /// Since when it is known to have an older record than this node; nil when it has not.
        var behindSince: Instant?
        var problem: String?
    }

    /// A change that the peer makes durable, where there is no arbiter to ask.
    struct Proposal: Sendable {
        enum Purpose: Sendable, Equatable {
            case takeRole(reason: String)
            case join
            case degrade
        }

        var record: ClusterRecord
        var purpose: Purpose
        var sent: Instant
    }

    /// A change that the arbiter makes; asked for, in the same words, until it is answered.
    struct RecordChange: Sendable {
        enum Purpose: Sendable {
            case degrade
            case join
            /// The arbiter has an older record than this primary.
            case push
        }

        var record: ClusterRecord
        var expected: UInt64
        var purpose: Purpose
        var sent: Instant
        /// The highest version that a copy of the question still on its way may be replacing.
        var expectedHighest: UInt64
        /// The lease of another node that holds the change up: when it was to end, and when that was
        /// heard last.
        var held: (until: Instant, heard: Instant)?

        init(record: ClusterRecord, expected: UInt64, purpose: Purpose, sent: Instant) {
            self.record = record
            self.expected = expected
            self.purpose = purpose
            self.sent = sent
            expectedHighest = expected
        }
    }

    /// The way to the primary role.
    struct Bid: Sendable {
        enum Phase: Sendable {
            case veto
            /// The arbiter was asked what the record says.
            case reading(sent: Instant)
            /// The change was asked for, first and last at these times; no grant is given meanwhile.
            case changing(ClusterRecord, expected: UInt64, first: Instant, sent: Instant)
            case waiting(until: Instant)
        }

        var phase: Phase
        var reason: String
        /// This node's own idea: the veto command is asked first, and a pause holds it back. Not what
        /// an operator wants, nor what a restarted primary does.
        var isAutomatic = true
        /// An operator's word holds until then: what was at stake when it was given may have changed.
        var until = Instant.never
        /// An operator knows that acknowledged writes can be missing here.
        var acceptsLoss = false
        /// The old primary that handed over has everything, too.
        var keepsPeer: StoreIdentity?
    }

    /// A switchover, on the side that gives the role up.
    enum HandOverPhase: Sendable {
        case draining(until: Instant)
        /// The role is given up; the arbiter was asked to take the lease back.
        case releasing(since: Instant, HandOver)
        /// The standby was told.
        case waiting(until: Instant)
    }

    /// A snapshot on its way to the standby.
    struct SeedSession: Sendable {
        var base: Position
        var last: [UInt8]?
        var pagesInFlight = 0
        var isReading = false
        var isDone = false
    }

    /// A standby's question that has to wait for this primary's own repair.
    enum HeldRequest: Sendable {
        case rows([RecordName])
        case seed(SeedRequest)
    }

    enum BoundaryQuestion: Sendable {
        /// A standby looks for the primary's bound in its own log.
        case fork(Position)
        /// A primary looks for the standby's end in its own log.
        case resume(Position)
        /// A primary looks for the base of a snapshot that was begun before.
        case seed(SeedRequest)
    }

    struct Stall: Sendable {
        var since: Instant
        var committed: Sequence
    }
}
