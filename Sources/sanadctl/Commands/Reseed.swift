import ArgumentParser
import Foundation
import SanadNode
import SanadStore

/// `sanadctl reseed`
struct Reseed: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Gives this node an empty store, which takes everything anew from the primary.",
        discussion: """
            The old log and records are kept in the directory quarantine/ of the store. The daemon \
            starts anew by itself; until the snapshot is loaded, the node serves no reads and can \
            not be promoted.

            With --offline: for a store that does not open any more. It only writes the plan down; \
            the next start of the daemon carries it out. It refuses where this node was primary, or \
            this store alone was in sync, by the last that it knows; --accept-loss says that the \
            other node is primary now and that what it lacks is lost.
            """)

    @OptionGroup var options: OperatorOptions

    @Flag(help: "Plan it for a store that no daemon has open.")
    var offline = false

    @Option(
        help: ArgumentHelp(
            "With --offline: the store's directory; otherwise that of the configuration.",
            valueName: "directory"))
    var directory: String?

    @Option(help: ArgumentHelp("With --offline: the configuration file.", valueName: "file"))
    var config = NodeConfiguration.defaultPath

    @Flag(help: "With --offline: also when acknowledged writes may be in this store alone.")
    var acceptLoss = false

    @Flag(help: "With --offline: delete the old log and records instead of keeping them.")
    var discardOld = false

    func validate() throws {
        try options.requireReason()
        guard offline || (directory == nil && !discardOld && !acceptLoss) else {
            throw ValidationError(
                "--directory, --accept-loss and --discard-old go with --offline")
        }
    }

    func run() async throws {
        guard offline else {
            try await OperatorCommand(
                name: "reseed", effect: "empties its store and takes everything from the primary",
                confirmation: .nodeName,
                advice: "\"sanadctl status\" on both hosts; the other node must be primary and "
                    + "linked. For a store that does not open: sanadctl reseed --offline"
            ).run(options)
            return
        }
        try planOffline()
    }

    private func planOffline() throws {
        let directory =
            try self.directory ?? NodeConfiguration.load(config).configuration.store.directory
        let stake = try StoreFiles.reading { () throws(StoreError) in
            try Store.offlineReseedStake(directory: directory)
        }
        for line in lines(stake, directory) { Terminal.out(line) }
        if let danger = stake.danger, !acceptLoss { throw Self.refusal(danger) }
        guard !options.dryRun else { return Terminal.out("Nothing was done.") }
        try Confirmation.nodeName.obtain(
            "The store in \(directory) will be emptied.", node: "empty", saidYes: options.yes)
        let now = UInt64(Date.now.timeIntervalSince1970 * 1_000)
        try StoreFiles.reading { () throws(StoreError) in
            try Store.planReseedOffline(
                directory: directory, keepOld: !discardOld, acceptLoss: acceptLoss,
                reason: options.reason ?? "", wallMilliseconds: now, actor: Actor.name)
        }
        Terminal.out(
            "\(directory): planned. Start the daemon to carry it out: systemctl start sanadd")
    }

    private static func refusal(_ danger: String) -> Failure {
        Failure(
            .refused, danger,
            next: "look at the other node (sanadctl status); only if it is primary and healthy, "
                + "and what it lacks may be lost: --accept-loss")
    }

    private func lines(_ stake: ReseedStake, _ directory: String) -> [String] {
        let files =
            "every record and the log in \(directory) "
            + (discardOld ? "are DELETED" : "are moved to \(directory)/quarantine")
        return ["At stake:"] + ([files] + stake.lines).map { "  " + $0 }
    }
}
