import Foundation
import NIOCore
import NIOHTTP1

// The routes of the control socket. They are few and rare, so here Foundation reads the JSON.

/// The body of `POST /control/promote`.
private struct PromoteBody: Decodable {
    var acceptLoss: Bool?
    var reason: String?
    var dryRun: Bool?

    enum CodingKeys: String, CodingKey {
        case acceptLoss = "accept_loss"
        case reason
        case dryRun = "dry_run"
    }
}

extension RecordsConnection {
    /// A reason is kept in the audit trail.
    private static let reasonBytesMaximum = 255

    func performControl() {
        switch target.route {
        case .promote: promote()
        case .seal: carryOut(.sealSegment)
        case .reload: carryOut(.reload)
        case .history: carryOut(.history)
        default: answerStatus()
        }
    }

    private func promote() {
        let bytes = body.readableBytesView
        let request: PromoteBody
        do {
            request =
                bytes.isEmpty
                ? PromoteBody() : try JSONDecoder().decode(PromoteBody.self, from: Data(bytes))
        } catch {
            return fail(
                .badRequest("The body is {\"accept_loss\":…,\"reason\":…,\"dry_run\":…}."))
        }
        let reason = request.reason ?? ""
        guard reason.utf8.count <= Self.reasonBytesMaximum else {
            return fail(.badRequest("A reason has at most \(Self.reasonBytesMaximum) bytes."))
        }
        guard request.acceptLoss != true || !reason.isEmpty else {
            return fail(.badRequest("To accept a loss, give a reason."))
        }
        carryOut(
            .promote(
                acceptLoss: request.acceptLoss ?? false, reason: reason,
                dryRun: request.dryRun ?? false))
    }

    private func carryOut(_ command: ControlCommand) {
        let request = requestNumber
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        Task { [gate = loop.gate, eventLoop = loop.eventLoop] in
            let answer = await gate.control(command)
            eventLoop.execute {
                let connection = bound.value
                guard connection.context != nil, connection.requestNumber == request else {
                    return
                }
                connection.answerJSON(answer, status: answer.done ? 200 : 409)
            }
        }
    }

    private func answerStatus() { answerJSON(loop.gate.status, status: 200) }

    private func answerJSON(_ value: some Encodable, status: Int) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let document = try encoder.encode(value)
            answer(status, contentType: "application/json", body: ByteBuffer(bytes: document))
        } catch {
            fail(.store(error))
        }
    }
}
