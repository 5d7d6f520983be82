internal import SanadCore

/// One host: its disk and clock, and the process that runs on it, if any.
struct Host {
    var disk: Disk
    var clock: HostClock
    var process: Process?
    /// The host stands still until then, in true time.
    var pausedUntil: UInt64 = 0
    /// An older copy of the disk, that an operator may put back.
    var copy: Disk?
    /// The store that was set aside when it was emptied.
    var kept: Disk?

    func isPaused(at time: UInt64) -> Bool { time < pausedUntil }
}

/// A write that a client waits for.
struct PendingWrite {
    var last: Sequence
    var hash: ChainHash
}

/// One run of the daemon: everything here is lost with it.
///
/// A class, so that a look at one of its parts does not copy the whole of it.
final class Process {
    let number: Int
    var replica: Replica
    /// What the last step wants done, and how far that is.
    var effects: [Effect] = []
    var nextEffect = 0
    /// What happened meanwhile.
    var inputs: [Input] = []
    var nextInput = 0
    /// The connection that this process works with.
    var connection: Int?
    /// Frames whose append was asked for; the disk has them for certain when it says so.
    var appends: [Frame] = []
    var isSyncing = false
    /// The record table with what is applied and not yet on disk.
    var table: Disk.Table
    var isFlushing = false
    /// The repair is over as soon as the table is on disk.
    var isRepairEnding = false
    /// The thread that reads the table for the standby is at work until then, in true time.
    var snapshotsBusyUntil: UInt64 = 0
    /// Rows that were fetched for a repair, whose names are still listed: a crash has them fetched
    /// again, and one of the power takes the rows back.
    var taken: (keys: Set<Int>, readAt: Sequence) = ([], .zero)
    /// Pages that were loaded, and that a crash takes back: they are written in one transaction,
    /// which is committed now and then.
    var openLoad: Disk.Load?
    /// When the page that was loaded last is confirmed; pages are confirmed in their order.
    var pageConfirmedAt: UInt64 = 0
    var pending: [PendingWrite] = []
    /// The role as far as the effects are done: a step may end one and commit for it before.
    var role = Role.unconfirmed
    /// The first frame of this process's reign, until it first calls something committed.
    var reign: Frame?
    /// The reign for which the primary's word was looked at.
    var wordGiven: Epoch?
    /// The reign that the arbiter was asked for last, and when first, in true time.
    var roleAsked: (epoch: Epoch, at: UInt64)?
    /// The true time at which it is woken if nothing else happens before.
    var wakesAt = UInt64.max
    /// Questions to the arbiter in the present second of true time.
    var questions = (second: UInt64(0), count: 0)
    /// Pages of a snapshot on this connection that the standby has not taken.
    var pagesOut = 0
    /// Where the log was when the last frame was shipped on this connection.
    var shippedOffset: UInt64 = 0

    init(number: Int, replica: Replica, table: Disk.Table) {
        self.number = number
        self.replica = replica
        self.table = table
    }

    func takeEffect() -> Effect? {
        guard nextEffect < effects.count else {
            effects.removeAll(keepingCapacity: true)
            nextEffect = 0
            return nil
        }
        nextEffect += 1
        return effects[nextEffect - 1]
    }

    func takeInput() -> Input? {
        guard nextInput < inputs.count else {
            inputs.removeAll(keepingCapacity: true)
            nextInput = 0
            return nil
        }
        nextInput += 1
        return inputs[nextInput - 1]
    }
}
