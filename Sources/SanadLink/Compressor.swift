internal import CLZ4
internal import SanadCore

/// The LZ4 stream of one direction: one frame of the LZ4 frame format as long as the connection.
///
/// Packets are staged side by side in one buffer that is never moved, and each batch is compressed
/// and flushed at once. LZ4 finds the bytes before the batch where they still lie, so that a small
/// message is compressed against the last 64 KiB without a copy of them. (With a source that
/// moves, LZ4 either forgets all but the last message or copies its window each time.)
struct Compressor: ~Copyable {
    /// Plain bytes of one batch: the largest packet. Small packets are gathered up to a piece.
    private static let largestPacket =
        PacketHeader.byteCount + max(Limits.messageBytesMaximum, Limits.chunkBytesMaximum)
    static let gatheredBytes = PacketHeader.byteCount + Limits.chunkBytesMaximum
    /// What LZ4 looks back at.
    private static let window = 64 << 10
    /// Room for two batches and the window: when staging starts over at the front, a whole batch
    /// goes there before it is compressed, and must not touch the window behind the last one.
    private static let stagingBytes = 2 * largestPacket + window
    /// The most that `LZ4F_compressBegin` writes.
    private static let headerBytesMaximum = Int(LZ4F_HEADER_SIZE_MAX)

    private let context: OpaquePointer
    private let staging: UnsafeMutableRawBufferPointer
    private let output: UnsafeMutableRawBufferPointer
    /// The staged batch is `batchStart..<batchEnd` of `staging`.
    private var batchStart = 0
    private var batchEnd = 0
    private var outputStart = 0
    private var outputEnd = 0
    /// The stream's header goes out with the first batch, so that an idle end has nothing to send.
    private var hasBegun = false

    /// Plain bytes that wait for ``compress()``.
    var stagedBytes: Int { batchEnd - batchStart }

    /// Fails only for want of memory, or when the library is not the one that this was built with.
    init() throws(ProtocolViolation) {
        var context: OpaquePointer?
        let status = LZ4F_createCompressionContext(&context, UInt32(LZ4F_VERSION))
        guard LZ4F_isError(status) == 0, let context else {
            throw ProtocolViolation(detail: "LZ4: \(LZ4Text.error(status))")
        }
        self.context = context
        var preferences = LinkCompression.preferences
        output = .allocate(
            byteCount: LZ4F_compressBound(Self.largestPacket, &preferences)
                + Self.headerBytesMaximum, alignment: 64)
        staging = .allocate(byteCount: Self.stagingBytes, alignment: 64)
    }

    deinit {
        LZ4F_freeCompressionContext(context)
        staging.deallocate()
        output.deallocate()
    }

    /// True when a packet with this much payload may join the batch.
    func hasRoom(forPayload count: Int) -> Bool {
        stagedBytes == 0 || stagedBytes + PacketHeader.byteCount + count <= Self.gatheredBytes
    }

    /// Adds one packet to the batch.
    ///
    /// - Precondition: ``hasRoom(forPayload:)``.
    mutating func stage(_ header: PacketHeader, _ payload: UnsafeRawBufferPointer) {
        if stagedBytes == 0, batchEnd + Self.largestPacket > staging.count {
            batchStart = 0
            batchEnd = 0
        }
        staging.storeBytes(of: header.word.littleEndian, toByteOffset: batchEnd, as: UInt64.self)
        let place = batchEnd + PacketHeader.byteCount
        UnsafeMutableRawBufferPointer(rebasing: staging[place..<(place + payload.count)])
            .copyMemory(from: payload)
        batchEnd = place + payload.count
    }

    /// Compresses the batch.
    ///
    /// - Precondition: nothing is pending.
    mutating func compress() throws(ProtocolViolation) {
        if !hasBegun {
            var preferences = LinkCompression.preferences
            outputEnd = try check(
                LZ4F_compressBegin(context, output.baseAddress, output.count, &preferences))
            hasBegun = true
        }
        var options = LZ4F_compressOptions_t()
        options.stableSrc = 1
        let source = staging.baseAddress.map { $0 + batchStart }
        let target = output.baseAddress.map { $0 + outputEnd }
        outputEnd += try check(
            LZ4F_compressUpdate(
                context, target, output.count - outputEnd, source, stagedBytes, &options))
        batchStart = batchEnd
    }

    private func check(_ status: Int) throws(ProtocolViolation) -> Int {
        guard LZ4F_isError(status) == 0 else {
            throw ProtocolViolation(detail: "LZ4: \(LZ4Text.error(status))")
        }
        return status
    }

    /// Compressed bytes that wait to be written.
    var pendingBytes: Int { outputEnd - outputStart }

    func withPending<R>(
        _ body: (UnsafeRawBufferPointer) throws(LinkError) -> R
    ) throws(LinkError) -> R {
        try body(UnsafeRawBufferPointer(rebasing: output[outputStart..<outputEnd]))
    }

    /// Drops pending bytes that are written.
    mutating func consume(_ count: Int) {
        outputStart += count
        guard outputStart == outputEnd else { return }
        outputStart = 0
        outputEnd = 0
    }
}

/// What both directions agree on.
enum LinkCompression {
    /// Blocks of at most 64 KiB, each of which may refer to the one before; flushed with each
    /// update. No checksums: TLS authenticates every byte.
    static var preferences: LZ4F_preferences_t {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockLinked
        preferences.frameInfo.contentChecksumFlag = LZ4F_noContentChecksum
        preferences.frameInfo.blockChecksumFlag = LZ4F_noBlockChecksum
        preferences.compressionLevel = 0
        preferences.autoFlush = 1
        return preferences
    }

    /// The seven bytes with which every stream of these preferences begins: magic number, version 1
    /// with linked blocks and no checksum, blocks of 64 KiB, and the header's own check byte.
    static let streamHeader: [UInt8] = [0x04, 0x22, 0x4D, 0x18, 0x40, 0x40, 0xC0]
}

enum LZ4Text {
    static func error(_ status: Int) -> String {
        LZ4F_getErrorName(status).map { String(cString: $0) } ?? "error \(status)"
    }
}
