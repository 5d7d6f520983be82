import Logging
import SanadCore

/// The operator's two programs: one is asked before this node promotes itself, the other is told
/// of every change of its role. Neither is waited for by the commit thread.
final class HookRunner: Sendable {
    /// At the node's end, how long a program that runs may still take.
    static let stopPatience = Span.seconds(2)

    private let veto: HookQueue<String>?
    private let events: HookQueue<RoleEvent>?
    private let node: NodeName
    private let log: Logger

    convenience init(
        _ configuration: NodeConfiguration, mailbox: Mailbox, board: StatusBoard, log: Logger
    ) {
        self.init(
            configuration.hooks, node: configuration.node.name, log: log,
            epoch: { board.current.epoch },
            answer: { mailbox.post(.input(.vetoAnswered($0))) })
    }

    /// - Parameters:
    ///   - epoch: the epoch that this node knows, now.
    ///   - answer: takes the veto's objection; nil: it agrees.
    init(
        _ hooks: NodeConfiguration.Hooks, node: NodeName, log: Logger,
        epoch: @escaping @Sendable () -> UInt64, answer: @escaping @Sendable (String?) -> Void
    ) {
        self.node = node
        self.log = log
        veto = hooks.vetoCommand.map { path in
            let command = HookCommand(path: path, timeout: hooks.timeout)
            return HookQueue(capacity: 1) { reason, turn in
                let result = command.run([reason, "\(epoch())", node.text]) {
                    turn.isCancelled || turn.isOutdated
                }
                // The answer to an older question is none to the newer one.
                guard !turn.isOutdated else { return }
                answer(Self.problem(result, command))
            }
        }
        events = hooks.eventCommand.map { path in
            let command = HookCommand(path: path, timeout: hooks.timeout)
            return HookQueue(capacity: Limits.hookEventsMaximum) { event, turn in
                let result = command.run(Self.arguments(event, node)) { turn.isCancelled }
                guard let problem = Self.problem(result, command) else { return }
                log.warning("the event command failed", ["reason": "\(problem)"])
            }
        }
    }

    /// Gives the engine what it asks and tells.
    func fill(_ helpers: inout EngineHelpers) {
        if let veto { helpers.askVeto = { _ = veto.add($0) } }
        guard let events else { return }
        helpers.tellRole = { [node, log] event in
            guard let dropped = events.add(event) else { return }
            log.warning(
                "the event command was not told: it is slower than the role changes",
                ["arguments": "\(Self.arguments(dropped, node).joined(separator: " "))"])
        }
    }

    /// Drops what waits, and gives what runs `stopPatience` to end. Blocking.
    func stop() {
        veto?.stop(patience: .zero)
        events?.stop(patience: Self.stopPatience)
    }

    static func arguments(_ event: RoleEvent, _ node: NodeName) -> [String] {
        [event.role.rawValue, "\(event.epoch)", node.text, event.reason]
    }

    /// What went wrong; nil after exit code 0. Of the veto command it is the objection: a program
    /// that cannot be run has not agreed.
    private static func problem(_ result: HookCommand.Result, _ command: HookCommand) -> String? {
        let said = result.lastLine.isEmpty ? "" : ": " + result.lastLine
        switch result.outcome {
        case .exited(0): return nil
        case .exited(let code): return "exit code \(code)\(said)"
        case .signalled(let signal): return "ended by signal \(signal)\(said)"
        case .timedOut: return "no end within \(command.timeout.wholeMilliseconds) ms\(said)"
        case .notStarted(let reason): return "\(command.path) cannot be run: \(reason)"
        }
    }
}
