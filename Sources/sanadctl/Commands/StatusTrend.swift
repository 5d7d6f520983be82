import SanadNode

/// What two looks at the same node say of work that goes on: how fast, and how long still.
struct StatusTrend {
    private let earlier: NodeStatus
    private let later: NodeStatus
    private let seconds: Double

    /// Nil when the two are not of one run of the daemon, or too near to each other to tell.
    init?(from earlier: NodeStatus?, to later: NodeStatus) {
        guard let earlier, earlier.node == later.node,
            later.tickNanoseconds >= earlier.tickNanoseconds + 200_000_000
        else { return nil }
        self.earlier = earlier
        self.later = later
        seconds = Double(later.tickNanoseconds - earlier.tickNanoseconds) / 1e9
    }

    /// A state that is worth a second look.
    static func isMoving(_ status: NodeStatus) -> Bool {
        status.seeding != nil || ["seeding", "catching-up"].contains(status.link.state)
    }

    /// Of a snapshot that is being loaded. How large it will be is not known before its end; what
    /// the log has ever held is a bound, since each record came through the log once at least.
    var seedingText: String? {
        guard let before = earlier.seeding, let now = later.seeding, now.bytes >= before.bytes
        else { return nil }
        let rate = Double(now.bytes - before.bytes) / seconds
        guard rate >= 1 else { return "no progress in the last \(Text.seconds(seconds))" }
        var text = "\(Text.bytes(UInt64(rate)))/s"
        if later.logEndBytes > now.bytes {
            let left = Double(later.logEndBytes - now.bytes) / rate
            text += ", at most \(Text.seconds(left)) left"
        }
        return text
    }

    /// Of a standby that is behind.
    var lagText: String? {
        guard let before = earlier.lag.bytes, let now = later.lag.bytes, now > 0 else { return nil }
        guard before > now else {
            return before == now ? nil : "falling further behind"
        }
        let rate = Double(before - now) / seconds
        let left = Text.seconds(Double(now) / rate)
        return "closing at \(Text.bytes(UInt64(rate)))/s, about \(left) left"
    }
}
