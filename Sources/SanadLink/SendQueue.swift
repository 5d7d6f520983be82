internal import SanadCore

/// What waits to be sent: messages, which go first, and frames, which go in pieces.
struct SendQueue {
    private var messages = Fifo()
    private var frames = Fifo()
    /// Bytes of the first frame that are already gone.
    private var frameOffset = 0

    var messageCount: Int { messages.count }
    var isEmpty: Bool { messages.count == 0 && frames.count == 0 }

    mutating func append(message: [UInt8]) { messages.append(message) }

    mutating func append(frame: [UInt8]) { frames.append(frame) }

    /// The payload size of the next packet; nil when nothing waits.
    var nextPayloadBytes: Int? {
        if let message = messages.first { return message.count }
        return frames.first.map { min($0.count - frameOffset, Limits.chunkBytesMaximum) }
    }

    /// Takes the next packet out: a message, or else a piece of the first frame.
    mutating func takeNext(_ body: (PacketHeader, UnsafeRawBufferPointer) -> Void) {
        if let message = messages.first {
            message.withUnsafeBytes {
                body(PacketHeader(channel: .control, isLast: true, length: $0.count), $0)
            }
            messages.removeFirst()
            return
        }
        guard let frame = frames.first else { return }
        let count = min(frame.count - frameOffset, Limits.chunkBytesMaximum)
        let end = frameOffset + count
        frame.withUnsafeBytes { bytes in
            body(
                PacketHeader(channel: .frame, isLast: end == bytes.count, length: count),
                UnsafeRawBufferPointer(rebasing: bytes[frameOffset..<end]))
        }
        frameOffset = end
        if end == frame.count {
            frames.removeFirst()
            frameOffset = 0
        }
    }

    mutating func removeAll() { self = SendQueue() }
}

/// A queue of byte arrays that gives its room back now and then, not at each removal.
private struct Fifo {
    private var items: [[UInt8]] = []
    private var head = 0

    var count: Int { items.count - head }
    var first: [UInt8]? { head < items.count ? items[head] : nil }

    mutating func append(_ item: [UInt8]) { items.append(item) }

    mutating func removeFirst() {
        items[head] = []
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
    }
}
