internal import SanadCore

/// What happened, in order, for a person who looks for the reason.
///
/// A class, so that a line can be noted while the world that it tells of is being read.
final class Trace {
    let isOn: Bool
    private(set) var lines: [String] = []

    init(isOn: Bool) { self.isOn = isOn }

    func add(_ time: UInt64, _ text: String) {
        let microseconds = time / 1_000
        let fraction = String(microseconds % 1_000_000 + 1_000_000).dropFirst()
        lines.append("\(microseconds / 1_000_000).\(fraction)  \(text)")
    }
}

extension World {
    func note(_ effect: Effect, _ host: Int) {
        guard trace.isOn else { return }
        let name = names.hosts[host]
        switch effect {
        case .send(let message):
            if hosts[host].process?.connection != nil { note("\(name) says \(brief(message))") }
        case .ship(let frame): note("\(name) ships \(frame.position)")
        case .ask(let question): note("\(name) asks the arbiter: \(brief(question))")
        case .append(let frame):
            note("\(name) appends \(frame.header.kind) \(frame.position)")
        case .persist(let record): note("\(name) persists \(brief(record))")
        case .commit(let sequence): note("\(name) commits \(sequence)")
        case .report(let report): note("\(name) reports \(report.level): \(report.message)")
        case .closeLink(let reason): note("\(name) closes the link: \(reason)")
        case .cutLog(let position): note("\(name) cuts its log after \(position)")
        case .roleChanged: break
        case .shipPage(let bytes): note("\(name) ships a page of \(bytes.count) bytes")
        case .replaceRecords(_, let readAt): note("\(name) replaces records, read at \(readAt)")
        case .loadPage(_, let readAt, let epoch):
            note("\(name) loads a page, read at \(readAt) in epoch \(epoch)")
        default: note("\(name): \(effect)")
        }
    }

    func brief(_ record: ClusterRecord) -> String {
        let stores = record.inSync.map { store in
            let isPresent = hosts.contains { $0.disk.identity == store }
            return store.node.text.prefix(1).uppercased() + (isPresent ? "" : "(old)")
        }
        return "version \(record.version) epoch \(record.epoch) primary "
            + "\(record.primary?.text ?? "nobody") in sync [\(stores.joined(separator: " "))] since "
            + "\(record.since.sequence)"
    }

    func brief(_ question: ArbiterRequest) -> String {
        switch question.kind {
        case .read: "read"
        case .renew(let epoch, let committed): "renew epoch \(epoch) committed \(committed)"
        case .change(let expected, let record, _): "change \(expected) to \(brief(record))"
        case .release(let epoch): "release epoch \(epoch)"
        }
    }

    func brief(_ answer: ArbiterAnswer) -> String {
        "\(answer.outcome), \(brief(answer.view.record)), committed \(answer.view.committed), "
            + "lease for \(answer.view.remaining.wholeMilliseconds) ms"
    }

    func brief(_ message: Message) -> String {
        switch message {
        case .hello(let hello):
            "hello, log end \(hello.logEnd), \(brief(hello.record))"
                + (hello.isPrimary ? ", primary" : "") + (hello.isInConflict ? ", conflict" : "")
        case .proposal(let record): "proposal \(brief(record))"
        case .record(let record): "record \(brief(record))"
        case .proposalAnswer(let answer): "proposal answer, \(answer.refusal ?? "accepted")"
        case .lead(let lead): "lead epoch \(lead.epoch) bound \(lead.bound) begin \(lead.logBegin)"
        case .resume(let position): "resume \(position)"
        case .heartbeat(let beat):
            "heartbeat epoch \(beat.epoch) end \(beat.logEnd) committed \(beat.committed)"
        case .heartbeatAnswer(let answer):
            "heartbeat answer epoch \(answer.epoch) \(answer.isGranted ? "granted" : "not granted")"
                + " durable \(answer.progress.durable)"
        case .progress(let progress):
            "progress durable \(progress.durable) applied \(progress.applied)"
        default: "\(message)"
        }
    }
}
