/// XXH64 (xxHash specification 0.1.1): finds changed bytes, at memory speed. It keeps nobody out:
/// the log's chain hash does that.
enum XXHash64 {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    // Every sum and product below is modulo 2^64, as the specification wants it.

    static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var offset = 0
        var accumulator: UInt64
        if bytes.count >= 32 {
            var lane1 = seed &+ prime1 &+ prime2
            var lane2 = seed &+ prime2
            var lane3 = seed
            var lane4 = seed &- prime1
            while offset &+ 32 <= bytes.count {
                lane1 = round(lane1, word(bytes, offset))
                lane2 = round(lane2, word(bytes, offset &+ 8))
                lane3 = round(lane3, word(bytes, offset &+ 16))
                lane4 = round(lane4, word(bytes, offset &+ 24))
                offset &+= 32
            }
            accumulator =
                rotated(lane1, 1) &+ rotated(lane2, 7) &+ rotated(lane3, 12) &+ rotated(lane4, 18)
            accumulator = (accumulator ^ round(0, lane1)) &* prime1 &+ prime4
            accumulator = (accumulator ^ round(0, lane2)) &* prime1 &+ prime4
            accumulator = (accumulator ^ round(0, lane3)) &* prime1 &+ prime4
            accumulator = (accumulator ^ round(0, lane4)) &* prime1 &+ prime4
        } else {
            accumulator = seed &+ prime5
        }
        accumulator &+= UInt64(bytes.count)
        return avalanche(tail(accumulator, bytes, offset))
    }

    private static func tail(
        _ start: UInt64, _ bytes: UnsafeRawBufferPointer, _ begin: Int
    ) -> UInt64 {
        var accumulator = start
        var offset = begin
        while offset &+ 8 <= bytes.count {
            accumulator ^= round(0, word(bytes, offset))
            accumulator = rotated(accumulator, 27) &* prime1 &+ prime4
            offset &+= 8
        }
        if offset &+ 4 <= bytes.count {
            let half = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            accumulator ^= UInt64(UInt32(littleEndian: half)) &* prime1
            accumulator = rotated(accumulator, 23) &* prime2 &+ prime3
            offset &+= 4
        }
        while offset < bytes.count {
            accumulator ^= UInt64(bytes[offset]) &* prime5
            accumulator = rotated(accumulator, 11) &* prime1
            offset &+= 1
        }
        return accumulator
    }

    private static func avalanche(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 33)) &* prime2
        value = (value ^ (value >> 29)) &* prime3
        return value ^ (value >> 32)
    }

    private static func round(_ accumulator: UInt64, _ input: UInt64) -> UInt64 {
        rotated(accumulator &+ input &* prime2, 31) &* prime1
    }

    private static func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
        (value << count) | (value >> (64 - count))
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
