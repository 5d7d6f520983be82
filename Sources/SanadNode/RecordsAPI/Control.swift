import Foundation
import NIOCore
import NIOHTTP1
import SanadCore

// The routes of the control socket. They are few and rare, so here Foundation reads the JSON.

/// The body of `POST /control/<command>`.
private struct CommandBody: Decodable {
    var acceptLoss: Bool?
    var reason: String?
    var actor: String?
    var dryRun: Bool?
    var seconds: UInt64?
    var number: UInt64?

    enum CodingKeys: String, CodingKey {
        case acceptLoss = "accept_loss"
        case reason
        case actor
        case dryRun = "dry_run"
        case seconds
        case number
    }
}

extension RecordsConnection {
    func performControl() {
        switch target.route {
        case .seal: carryOut(.sealSegment)
        case .reload: carryOut(.reload)
        case .history: carryOut(.history)
        case .quarantine: carryOut(.quarantine)
        case .command(let name): perform(command: name)
        default: answerStatus()
        }
    }

    private func perform(command name: String) {
        let bytes = body.readableBytesView
        let request: CommandBody
        do {
            request =
                bytes.isEmpty
                ? CommandBody() : try JSONDecoder().decode(CommandBody.self, from: Data(bytes))
        } catch {
            return fail(
                .badRequest(
                    "The body is {\"reason\":…,\"actor\":…,\"dry_run\":…}, and what the command takes."
                ))
        }
        let reason = request.reason ?? ""
        let actor = request.actor ?? "control socket"
        guard reason.utf8.count <= Limits.reasonBytesMaximum,
            actor.utf8.count <= Limits.actorBytesMaximum
        else {
            return fail(
                .badRequest(
                    "A reason has at most \(Limits.reasonBytesMaximum) bytes, an actor "
                        + "\(Limits.actorBytesMaximum)."))
        }
        if name == "discard-quarantine" {
            guard let number = request.number, !reason.isEmpty else {
                return fail(
                    .badRequest("To discard a quarantine entry, give its number and a reason."))
            }
            return carryOut(.discardQuarantine(number, reason: reason, actor: actor))
        }
        guard let action = action(name, request) else {
            return fail(.badRequest("The command \(name) needs seconds, from 1 to 86400."))
        }
        let isHarmless =
            switch action {
            case .promote(let acceptLoss): !acceptLoss
            case .switchover, .resume: true
            default: request.dryRun == true
            }
        guard isHarmless || !reason.isEmpty else {
            return fail(.badRequest("The command \(name) wants a reason."))
        }
        carryOut(
            .carryOut(
                OperatorRequest(
                    action: action, reason: reason, actor: actor,
                    dryRun: request.dryRun ?? false)))
    }

    private func action(_ name: String, _ body: CommandBody) -> OperatorRequest.Action? {
        switch name {
        case "promote": return .promote(acceptLoss: body.acceptLoss ?? false)
        case "switchover": return .switchover
        case "run-alone": return .runAlone
        case "fence": return .fence
        case "lift-fence": return .liftFence
        case "resume": return .resume
        case "rejoin": return .rejoin
        case "reseed": return .reseed
        case "pause":
            guard let seconds = body.seconds, (1...86_400).contains(seconds) else { return nil }
            return .pause(.seconds(seconds))
        default: preconditionFailure("the route knows the commands")
        }
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
