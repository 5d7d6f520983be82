@testable import SanadCore

// What a replica wants done, as short words in which a test can say what it expects.

extension Effect {
    var words: String {
        switch self {
        case .send(let message): "send \(message.words)"
        case .ship(let frame): "ship \(frame.header.last)"
        case .shipPage: "ship page"
        case .ask(let question): "ask \(question.words)"
        case .append(let frame): "append \(frame.header.last)"
        case .persist(let record): "persist \(record.words)"
        case .persistEpoch(let epoch): "persist epoch \(epoch)"
        case .persistPause(let until, _): until == .zero ? "forget pause" : "persist pause"
        case .persistFence(let reason): reason == nil ? "forget fence" : "persist fence"
        case .persistConflict(let problem): problem == nil ? "forget conflict" : "persist conflict"
        case .remember(let entry): "remember epoch \(entry.epoch)"
        case .forget(let sequence): "forget after \(sequence)"
        case .commit(let sequence): "commit \(sequence)"
        case .readLog(let sequence, _): "read log after \(sequence)"
        case .findBoundary(let sequence): "find boundary \(sequence)"
        case .cutLog(let position): "cut log after \(position.sequence)"
        case .emptyStore(let keepsOld, _): "empty store\(keepsOld ? ", keeping the old" : "")"
        case .closeLink(let reason): "close link: \(reason)"
        case .peerRefused: "peer refused"
        case .askVeto: "ask veto"
        case .roleChanged(let role, _): "role \(role.rawValue)"
        case .abandonWrites: "abandon writes"
        case .report(let report): "report \(report.level.rawValue): \(report.message)"
        case .readNames, .readRecords, .replaceRecords, .openSnapshot, .readPage, .beginLoad,
            .loadPage, .finishLoad, .endRepair:
            "repair: \(self)"
        }
    }
}

extension Message {
    var words: String {
        switch self {
        case .hello: "hello"
        case .refusal(let reason): "refusal: \(reason)"
        case .proposal(let record): "proposal \(record.words)"
        case .proposalAnswer(let answer): "proposal answer: \(answer.refusal ?? "yes")"
        case .lead(let lead): "lead to \(lead.bound.sequence)"
        case .resume(let position): "resume \(position.sequence)"
        case .heartbeat: "heartbeat"
        case .heartbeatAnswer(let answer): answer.isGranted ? "grant" : "no grant"
        case .progress(let progress): "progress \(progress.durable)"
        case .commit(let sequence): "commit \(sequence)"
        case .record(let record): "record \(record.words)"
        case .handOver(let words): "hand over at \(words.position.sequence)"
        case .handOverRefused(let reason): "hand over refused: \(reason)"
        case .leave: "leave"
        default: "\(self)"
        }
    }
}

extension ArbiterRequest {
    var words: String {
        switch kind {
        case .read: "read"
        case .renew(let epoch, let committed): "renew \(epoch), committed \(committed)"
        case .change(let expected, let record, _): "change \(expected) to \(record.words)"
        case .release(let epoch): "release \(epoch)"
        }
    }
}

extension ClusterRecord {
    /// As `v2 e1 rabat [marrakech rabat]`.
    var words: String {
        "v\(version) e\(epoch) \(primary?.text ?? "nobody") "
            + "[\(inSync.map(\.node.text).joined(separator: " "))]"
    }
}

extension [String] {
    /// Whether one of the words begins so.
    func has(_ beginning: String) -> Bool { contains { $0.hasPrefix(beginning) } }

    /// Whether the first words that begin as the given ones stand in the order given.
    func haveInOrder(_ beginnings: String...) -> Bool {
        let places = beginnings.map { beginning in firstIndex { $0.hasPrefix(beginning) } }
        let found = places.compactMap(\.self)
        return found.count == places.count && zip(found, found.dropFirst()).allSatisfy { $0 < $1 }
    }
}
