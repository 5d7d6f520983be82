import Logging
import SanadCore
import SanadLink

/// What the links of this process have done, the closed ones included.
struct LinkTotals {
    var closed = LinkCounters()
    var connections: UInt64 = 0
    var refusals: UInt64 = 0
    var lastError: String?
}

/// A packet that was taken apart and checked.
enum InboundPacket {
    case message(Message)
    case frame(Frame)
    /// A page of records; it travels as frames do.
    case page([UInt8])
}

// The connection to the peer: one at a time, read and written on the engine's thread.

extension Engine {
    func linkConnected(_ connection: LinkConnection) {
        if link != nil {
            dropLink(reason: "the peer connected anew", redial: false)
            // The replica hears of the end before it hears of the new beginning.
            feed(.tick)
        }
        link = connection
        // The peer's first words may have come with the handshake, where `poll` does not see them.
        linkHasMore = true
        linkTotals.connections += 1
        linkTotals.lastError = nil
        log.notice("link up", ["peer": "\(connection.peer)"])
        feed(.linkUp)
    }

    /// A connection that did not come to stand: counted when somebody was turned away, and said
    /// when it is news. A stranger at the port does not change what is said of a link that stands.
    func linkRefused(_ error: LinkError) {
        let reason = String(describing: error)
        if error.isRefusal { linkTotals.refusals += 1 }
        // A peer that is away is said once, not every minute.
        let isKnown = !error.isRefusal && linkTotals.lastError == reason
        if link == nil { linkTotals.lastError = reason }
        guard !isKnown, refusals.isNews(error, at: now.instant) else { return }
        log.warning(link == nil ? "no link" : "a connection was refused", ["reason": "\(reason)"])
    }

    /// Closes the link, tells the replica, and lets the dialler try again.
    func dropLink(reason: String, redial: Bool = true) {
        guard let connection = link else { return }
        // What was queued before the reason to close, a refusal above all, should still arrive.
        _ = try? connection.flush()
        link = nil
        linkHasMore = false
        linkTotals.closed.add(connection.counters)
        linkTotals.lastError = reason
        connection.close()
        log.warning("link down", ["peer": "\(connection.peer)", "reason": "\(reason)"])
        followUps.append(.linkDown)
        if redial { onLinkClosed() }
    }

    func flushLink() {
        guard let link, link.hasQueued else { return }
        do throws(LinkError) {
            // Commits go on between the pages of a snapshot.
            _ = try link.flush(
                plainBytesMaximum: replica.isSeedingPeer
                    ? UInt64(Limits.seedFlushBytes) : LinkConnection.flushBytesMaximum)
        } catch {
            dropLink(reason: String(describing: error))
            feed(.tick)
        }
    }

    func receiveFromLink() {
        guard let current = link else { return }
        var ending: String?
        do {
            linkHasMore = try current.receive { packet in
                switch packet {
                case .control(let bytes):
                    inbound.append(.message(try Message(decoding: bytes)))
                case .frame(let bytes) where PagePacket.isPage(bytes):
                    inbound.append(.page(bytes))
                case .frame(let bytes): inbound.append(.frame(try Frame(decoding: bytes)))
                }
            }
        } catch {
            linkHasMore = false
            ending = String(describing: error)
        }
        // A grant counts from here: a pause between the last look at the clock and this read must
        // not make it shorter than the primary's lease.
        now = SystemClock.now
        // What came before the end counts: a refusal says why the link ends.
        for packet in inbound {
            // A packet may end the link; what came after it on the same link has no meaning.
            guard link === current else { break }
            switch packet {
            case .message(let message): feed(.message(message))
            case .frame(let frame):
                frameReceived = now.instant
                feed(.frame(frame))
            case .page(let bytes): feed(.page(bytes))
            }
        }
        inbound.removeAll(keepingCapacity: true)
        if let ending, link === current {
            dropLink(reason: ending)
            feed(.tick)
        }
    }
}

extension LinkCounters {
    mutating func add(_ other: LinkCounters) {
        plainBytesSent += other.plainBytesSent
        plainBytesReceived += other.plainBytesReceived
        wireBytesSent += other.wireBytesSent
        wireBytesReceived += other.wireBytesReceived
        packetsSent += other.packetsSent
        packetsReceived += other.packetsReceived
    }
}
