/// What a recorded history says about its promises.
struct FailoverVerdict {
    private(set) var acknowledged = 0
    private(set) var lost = 0
    /// Acknowledgements of an older epoch that no client may see beside those of a newer one.
    private(set) var overlaps = 0
    private(set) var examples: [String] = []

    /// - Parameters:
    ///   - resumed: when the old primary went on after a pause; it may not acknowledge anything from
    ///     then on, whenever it was asked.
    ///   - read: the number that the present primary has under a key; nil when it has no such record.
    init(
        _ history: FailoverHistory, resumed: UInt64? = nil, read: (String) throws -> UInt64?
    ) rethrows {
        acknowledged = history.acknowledged.count
        findOverlaps(history.acknowledged)
        if let resumed { findLate(history.acknowledged, resumed) }
        try findLost(history, read)
    }

    /// Reads everything back from a node.
    init(_ history: FailoverHistory, resumed: UInt64?, at endpoint: Endpoint) throws {
        let connection = try HTTPConnection(to: endpoint, timeoutSeconds: 10)
        try self.init(history, resumed: resumed) { key in
            let path = "/v1/collections/failover/records/\(key)"
            let answer = try connection.request("GET", path)
            if answer.status == 404 { return nil }
            guard answer.isSuccess else {
                throw Failure("\(endpoint)\(path) was answered \(answer.status): \(answer.text)")
            }
            return UInt64(answer.text.drop { !$0.isNumber }.prefix { $0.isNumber })
        }
    }

    /// A key holds its last acknowledged number, or the one under way.
    private mutating func findLost(
        _ history: FailoverHistory, _ read: (String) throws -> UInt64?
    ) rethrows {
        var last: [String: AcknowledgedWrite] = [:]
        for write in history.acknowledged {
            if let known = last[write.key], known.number > write.number { continue }
            last[write.key] = write
        }
        for (key, write) in last {
            let found = try read(key)
            if found == write.number { continue }
            if let found, found == history.underWay[write.writer] { continue }
            lost += 1
            note(
                "\(key): acknowledged \(write.number) in epoch \(write.epoch), found "
                    + (found.map(String.init) ?? "nothing"))
        }
    }

    /// Requests that were sent after a newer epoch had acknowledged one.
    private mutating func findOverlaps(_ acknowledged: [AcknowledgedWrite]) {
        var newest: (epoch: UInt64, answered: UInt64)?
        var firstAnswer: [UInt64: UInt64] = [:]
        for write in acknowledged {
            firstAnswer[write.epoch] = min(firstAnswer[write.epoch] ?? .max, write.answered)
        }
        for epoch in firstAnswer.keys.sorted(by: >) {
            if let newest {
                for write in acknowledged
                where write.epoch == epoch && write.sent > newest.answered {
                    overlaps += 1
                    note(
                        "epoch \(epoch) acknowledged a write that was sent after epoch "
                            + "\(newest.epoch) had acknowledged one")
                }
            }
            let answered = min(newest?.answered ?? .max, firstAnswer[epoch] ?? .max)
            newest = (epoch, answered)
        }
    }

    /// What was asked of the old primary before its pause, or during it, and acknowledged after it.
    private mutating func findLate(_ acknowledged: [AcknowledgedWrite], _ resumed: UInt64) {
        guard let newest = acknowledged.map(\.epoch).max() else { return }
        for write in acknowledged where write.epoch < newest && write.answered >= resumed {
            overlaps += 1
            note(
                "epoch \(write.epoch) acknowledged a write after its primary had been paused and "
                    + "epoch \(newest) had begun")
        }
    }

    private mutating func note(_ example: String) {
        if examples.count < 5 { examples.append(example) }
    }
}
