internal import CLZ4
internal import SanadCore

/// Takes apart the LZ4 stream of the peer.
///
/// Whatever arrives, memory stays the same: the stream must begin with the one header that peers
/// send, which fixes the block size, and the plain bytes come out through one buffer.
struct Decompressor: ~Copyable {
    /// Two blocks: LZ4 decodes straight into the buffer while a whole block has room.
    private static let outputBytes = 128 << 10

    private let context: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer
    private var headerBytesSeen = 0

    init() throws(ProtocolViolation) {
        var context: OpaquePointer?
        let status = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
        guard LZ4F_isError(status) == 0, let context else {
            throw ProtocolViolation(detail: "LZ4: \(LZ4Text.error(status))")
        }
        self.context = context
        output = .allocate(byteCount: Self.outputBytes, alignment: 64)
    }

    deinit {
        LZ4F_freeDecompressionContext(context)
        output.deallocate()
    }

    /// Hands out what `input` decodes to, in portions.
    mutating func decompress(
        _ input: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try checkHeader(input)
        var offset = 0
        while true {
            var produced = output.count
            var consumed = input.count - offset
            let status = LZ4F_decompress(
                context, output.baseAddress, &produced, input.baseAddress.map { $0 + offset },
                &consumed, nil)
            guard LZ4F_isError(status) == 0 else {
                throw ProtocolViolation(detail: "LZ4: \(LZ4Text.error(status))")
            }
            offset += consumed
            if produced > 0 {
                try body(UnsafeRawBufferPointer(rebasing: output[0..<produced]))
            }
            // A stream ends with its connection and not before, so that no second one, with
            // another block size, can follow.
            guard status != 0 else { throw ProtocolViolation(detail: "the LZ4 stream ended") }
            // LZ4 stops early only when the buffer is full: then there may be more inside.
            if offset == input.count, produced < output.count { return }
        }
    }

    private mutating func checkHeader(
        _ input: UnsafeRawBufferPointer
    ) throws(ProtocolViolation) {
        let header = LinkCompression.streamHeader
        for byte in input.prefix(header.count - headerBytesSeen) {
            guard byte == header[headerBytesSeen] else {
                throw ProtocolViolation(detail: "not the link's LZ4 stream")
            }
            headerBytesSeen += 1
        }
    }
}
