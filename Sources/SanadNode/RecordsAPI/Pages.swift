import NIOCore
import SanadCore
import SanadStore

/// One page of a collection's records.
struct ListPage: Sendable {
    var collection: [UInt8]
    var prefix: [UInt8]
    var after: [UInt8]?
    var limit: Int

    /// A page ends at this size, whatever its limit: values may have a mebibyte each.
    private static let bytesMaximum = 4 << 20
    /// Rows of one read, so that few large values are in memory at once.
    private static let rowsAtOnce = 16

    /// Builds `{"records":[{"key":…,"sequence":…,"value":…}…],"next":…}`; `next` is the `after` of
    /// the following page, or null at the end.
    func read(_ reader: RecordReader) throws -> ByteBuffer {
        var page = ByteBuffer()
        page.writeStaticString("{\"records\":[")
        var (last, count, isEnd) = (after, 0, false)
        while count < limit, page.readableBytes < Self.bytesMaximum, !isEnd {
            // Small rows come many at a time; the first few tell whether they are small.
            let average = count == 0 ? Limits.valueBytesMaximum : page.readableBytes / count
            let affordable = (Self.rowsAtOnce * Limits.valueBytesMaximum) / max(average, 1)
            let wanted = min(limit - count, affordable)
            let rows = try reader.list(
                collection: collection, prefix: prefix, after: last, limit: wanted)
            isEnd = rows.count < wanted
            for row in rows where page.readableBytes < Self.bytesMaximum {
                if count > 0 { page.writeInteger(UInt8(ascii: ",")) }
                write(row, into: &page)
                last = row.key
                count += 1
            }
            if last != rows.last?.key, !rows.isEmpty { isEnd = false }
        }
        page.writeStaticString("],\"next\":")
        if !isEnd, let last {
            page.writeJSONString(last)
        } else {
            page.writeStaticString("null")
        }
        page.writeInteger(UInt8(ascii: "}"))
        return page
    }

    private func write(_ row: ListedRecord, into page: inout ByteBuffer) {
        page.writeStaticString("{\"key\":")
        page.writeJSONString(row.key)
        page.writeStaticString(",\"sequence\":")
        page.writeDecimal(row.sequence.value)
        page.writeStaticString(",\"value\":")
        page.writeBytes(row.value)
        page.writeInteger(UInt8(ascii: "}"))
    }
}

/// One page of the log's committed mutations.
struct ChangesPage: Sendable {
    var after: LogPlace
    /// At most this many transactions.
    var limit: UInt64
    var committed: Sequence

    static let limitDefault: UInt64 = 1_000
    static let limitMaximum: UInt64 = 10_000
    /// A page ends after the transaction that passes this size.
    private static let bytesTarget = 1 << 20

    struct Changes: Sendable {
        var lines = ByteBuffer()
        /// The last sequence that the page covers: `after` of the next page.
        var last: Sequence
        /// Of that sequence; nil when the log does not have it.
        var epoch: Epoch?
    }

    /// Builds one line a mutation, whole transactions only.
    ///
    /// - Throws: `Problem` when the client has read another history than this log's.
    func read(_ reader: LogReader) throws -> Changes {
        if let epoch = after.epoch, let here = try reader.epoch(at: after.sequence), here != epoch {
            throw Problem.otherHistory(after, here: here)
        }
        var changes = try readLines(reader)
        changes.epoch = try reader.epoch(at: changes.last)
        return changes
    }

    private func readLines(_ reader: LogReader) throws -> Changes {
        var changes = Changes(last: after.sequence)
        guard after.sequence < committed else { return changes }
        let end = min(committed, after.sequence.advanced(by: limit))
        var isFull = false
        while changes.last < end, !isFull {
            let frames = try reader.frames(after: changes.last, maximumBytes: Self.bytesTarget)
            guard !frames.isEmpty else { break }
            for frame in frames where !isFull {
                isFull = append(frame, upTo: end, to: &changes)
            }
        }
        return changes
    }

    /// - Returns: true when the page is full.
    private func append(_ frame: Frame, upTo end: Sequence, to changes: inout Changes) -> Bool {
        let start = changes.last
        var (last, isFull) = (start, false)
        frame.forEachMutation { sequence, mutation in
            guard sequence > start, sequence <= end, !isFull else { return }
            if sequence > last {
                // The size is looked at between transactions only, which are never cut.
                isFull = changes.lines.readableBytes >= Self.bytesTarget
                guard !isFull else { return }
                last = sequence
            }
            guard !IdempotencyMemory.isInternal(mutation.collection) else { return }
            Self.write(sequence, frame.header.epoch, mutation, into: &changes.lines)
        }
        changes.last = isFull ? last : max(start, min(end, frame.header.last))
        return isFull
    }

    private static func write(
        _ sequence: Sequence, _ epoch: Epoch, _ mutation: MutationView,
        into lines: inout ByteBuffer
    ) {
        lines.writeStaticString("{\"sequence\":")
        lines.writeDecimal(sequence.value)
        lines.writeStaticString(",\"epoch\":")
        lines.writeDecimal(epoch.value)
        lines.writeStaticString(",")
        lines.writeMutationMembers(mutation)
    }
}

extension ByteBuffer {
    /// Writes `"op":…,"collection":…,"key":…,"value":…}` and the line's end: what bulk takes.
    mutating func writeMutationMembers(_ mutation: MutationView) {
        writeStaticString(mutation.operation == .put ? "\"op\":\"put\"" : "\"op\":\"delete\"")
        writeStaticString(",\"collection\":\"")
        writeBytes(mutation.collection)
        writeStaticString("\",\"key\":")
        writeJSONString(mutation.key)
        if mutation.operation == .put {
            writeStaticString(",\"value\":")
            writeOneLine(mutation.value)
        }
        writeStaticString("}\n")
    }
}

extension LogReader {
    /// Frames from the one that holds `sequence`'s successor on.
    ///
    /// The log is read from frame boundaries, and a client's position may be inside a frame: then
    /// the boundary is looked for backwards. It is near: a frame is one group commit.
    fileprivate func frames(
        after sequence: Sequence, maximumBytes: Int
    ) throws(StoreError) -> [Frame] {
        var boundary = sequence
        while true {
            do throws(StoreError) {
                return try read(after: boundary, maximumBytes: maximumBytes)
            } catch  where error.code == .notABoundary && boundary > .zero {
                boundary = Sequence(boundary.value - 1)
            } catch {
                throw error
            }
        }
    }
}
