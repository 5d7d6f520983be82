public import Logging
import SanadCore
import SanadLink
import SanadStore

/// The third voice of a cluster: keeps the record and the lease, and no records of anybody.
public final class WitnessNode: Sendable {
    /// The port of its listener, also when the system chose it.
    public let linkPort: UInt16
    private let board: WitnessBoard
    private let inbox: WitnessInbox
    private let tls: TLSContext
    private let listener: LinkListener
    private let thread: OwnThread
    private let endings: AsyncStream<String?>

    /// Opens the store and starts to listen.
    ///
    /// - Throws: `StoreError` or `LinkError`, when the store, the certificates or the address
    ///   cannot be used.
    public init(_ configuration: WitnessConfiguration, log: Logger) throws {
        let tls = try LinkCredentials.load(
            certificate: configuration.link.certificate,
            privateKey: configuration.link.privateKey, authority: configuration.link.authority,
            node: configuration.name, log: log)
        let store = try WitnessStore.open(
            directory: configuration.directory, cluster: configuration.cluster.id)
        let inbox = WitnessInbox()
        let board = WitnessBoard()
        if store.isNew {
            log.notice("the store is new: the primary gives it the record")
        }
        let loop = WitnessLoop(
            configuration, store: store, tls: tls, inbox: inbox, board: board, log: log)
        let address = configuration.link.listen
        do {
            listener = try LinkListener(
                host: address.host, port: UInt16(address.port), context: tls,
                peers: configuration.members,
                accepted: { inbox.post(.connected($0)) }, refused: { inbox.post(.refused($0)) })
        } catch {
            throw ListenFailure(key: "link.listen", address: "\(address)", error)
        }
        let (endings, continuation) = AsyncStream<String?>.makeStream()
        let hand = LoopHandOver(loop)
        thread = OwnThread {
            hand.loop.run()
            continuation.yield(hand.loop.fatalProblem)
            continuation.finish()
        }
        linkPort = listener.boundPort
        self.tls = tls
        self.inbox = inbox
        self.board = board
        self.endings = endings
    }

    /// What the witness published last.
    public var status: WitnessStatus { board.current }

    /// Returns when the witness has ended: nil after `stop`, else the problem that ended it. For
    /// one caller.
    public func untilFinished() async -> String? {
        for await problem in endings { return problem }
        return nil
    }

    /// Reads the certificates again; the old ones stay when that fails.
    public func reloadCertificates() throws { try tls.reload() }

    /// Answers nothing any more, saves what is not saved, and ends. It blocks for a moment.
    public func stop() {
        listener.stop()
        inbox.post(.stop)
        thread.join()
    }
}

/// Carries a loop, and its store, to its thread.
///
/// `@unchecked Sendable`: the loop is made on one thread and handed over once, before that thread
/// starts; afterwards only that thread uses it.
private final class LoopHandOver: @unchecked Sendable {
    let loop: WitnessLoop
    init(_ loop: WitnessLoop) { self.loop = loop }
}
